"""Which broker LOCAL_BROKER means on this machine."""

from pathlib import Path
from typing import Literal, get_args

from local_stack.brokers import kafka_jars, noida
from local_stack.brokers.broker import BrokerStartError, LocalBroker
from local_stack.brokers.kafka import kafka_broker
from local_stack.brokers.noida import noida_broker
from local_stack.ports import free_port
from ohlc_core.errors import PipelineError

BrokerKind = Literal["auto", "kafka", "noida"]


class UnavailableBrokerError(PipelineError):
    """The broker asked for cannot be run on this machine; one line with the remedy."""


def start_broker(kind: BrokerKind, data_dir: Path, port: int = 0) -> LocalBroker:
    """Start a broker over ``data_dir`` and wait until it answers.

    Args:
        kind: ``auto`` takes Kafka where Java is there and its jars are or can be downloaded, else
            noida; ``LocalBroker.why`` says which and why.
        data_dir: created when missing; data already in it is kept. One kind a folder.
        port: 0 takes a free one.

    Raises:
        UnavailableBrokerError: this machine lacks what the broker needs.
        BrokerStartError: it was started and did not come up.
    """
    if kind not in get_args(BrokerKind):
        raise UnavailableBrokerError(
            f"LOCAL_BROKER was {kind!r}; allowed: {', '.join(get_args(BrokerKind))}"
        )
    data_dir = data_dir.resolve()
    if kind == "noida":
        return _start_noida(data_dir, port, "asked for")
    lacking = kafka_jars.missing()
    if kind == "kafka":
        if lacking:
            raise UnavailableBrokerError(
                f"LOCAL_BROKER was 'kafka', but {lacking}; install Java 17 and Maven, "
                "or set LOCAL_BROKER=noida"
            )
        return _start_kafka(data_dir, port, "asked for")
    if lacking:
        return _start_noida(data_dir, port, lacking)
    try:
        kafka_jars.ensure_jars()
    except kafka_jars.KafkaJarsError as error:
        return _start_noida(data_dir, port, str(error))
    return _start_kafka(data_dir, port, "Java and Kafka's jars are there")


def _start_kafka(data_dir: Path, port: int, why: str) -> LocalBroker:
    broker = kafka_broker(data_dir / "kafka", port or free_port(), why)
    broker.start()
    return broker


def _start_noida(data_dir: Path, port: int, why: str) -> LocalBroker:
    if lacking := noida.missing():
        raise UnavailableBrokerError(
            f"no local broker can be run: {why}, and {lacking}; install Java 17 and Maven, "
            "or noida-db"
        )
    broker = noida_broker(data_dir / "noida", port or free_port(), why)
    broker.start()
    return broker


__all__ = ["BrokerKind", "BrokerStartError", "UnavailableBrokerError", "start_broker"]
