"""Entry point of ``trade-producer``: live trades from an exchange to the ``trades`` topic."""

import hashlib
import time

from confluent_kafka import KafkaError, KafkaException
from loguru import logger

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import AppendFailedError, BrokerUnavailableError, FatalError
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.service.runner import Runtime, run_service
from ohlc_exchanges.base import ExchangeAdapter
from ohlc_exchanges.registry import adapter_for
from trade_producer.metrics import Metrics
from trade_producer.producer import LiveProducer
from trade_producer.settings import ProducerSettings
from trade_producer.topic_tail import read_tails
from trade_producer.topic_writer import TopicWriter

_RESTART_SECONDS = 1.0

# What a broker that stops between two calls makes of the second.
_PASSING = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT})  # noqa: SLF001


def main() -> None:
    """Run the service and exit the process."""
    run_service("trade-producer", ProducerSettings, run)


def run(settings: ProducerSettings, runtime: Runtime) -> None:
    """Produce until stopped; after a failed append start again from the topic's end."""
    adapter = adapter_for(settings.exchange)
    metrics = Metrics()
    runtime.status.works_on(
        exchange=adapter.name,
        products=list(settings.product_ids),
        intervals=list(settings.ohlc_intervals),
        websocket=settings.exchange_ws_url or adapter.ws_url,
        topic=settings.topics.trades,
        run_id=settings.run_id,
        broker=settings.kafka_broker_address,
    )
    while True:
        try:
            _run_once(settings, adapter, runtime, metrics)
        except AppendFailedError as error:
            if runtime.stop.is_set():
                raise FatalError(f"stopped, but {error}") from None
            logger.warning("an append failed ({}): reading the topic's end again", error)
            metrics.restarts.inc()
            runtime.stop.wait(_RESTART_SECONDS)
        else:
            return


def _run_once(
    settings: ProducerSettings, adapter: ExchangeAdapter, runtime: Runtime, metrics: Metrics
) -> None:
    names = settings.topics
    _ensure_topics(settings, runtime)
    writer = TopicWriter(
        settings,
        names,
        _transactional_id(settings),
        runtime.stop,
        on_acknowledged=metrics.appended.inc,
    )
    writer.open()
    keys = [ProductKey(adapter.name, product) for product in settings.product_ids]
    is_fenced = settings.processing_guarantee == "exactly-once"
    takeover_seconds = 0.0 if is_fenced else settings.takeover_seconds
    try:
        LiveProducer(settings, adapter, runtime, writer, metrics).run(
            lambda: read_tails(settings, names.trades, keys, takeover_seconds, runtime.stop)
        )
    finally:
        writer.abandon()


def _ensure_topics(settings: ProducerSettings, runtime: Runtime) -> None:
    """Create the topics, also while the broker comes and goes.

    Raises:
        BrokerUnavailableError: it did not for KAFKA_STARTUP_TIMEOUT_SECONDS.
        KafkaException: it refused to create a topic.
    """
    names = settings.topics
    deadline = time.monotonic() + settings.kafka_startup_timeout_seconds
    while True:
        try:
            ensure_topics(settings, names, [names.trades, names.trades_dlq], runtime.stop)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() not in _PASSING and not reason.retriable():
                raise
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(
                    f"the broker at KAFKA_BROKER_ADDRESS={settings.kafka_broker_address} "
                    f"created no topics ({reason.str()}); start it, or correct the setting"
                ) from None
            logger.warning("the topics are not created yet ({}); trying again", reason.str())
            runtime.stop.wait(_RESTART_SECONDS)
        else:
            return


def _transactional_id(settings: ProducerSettings) -> str:
    """Return an id that is the same for every start with the same products; "" without one."""
    if settings.processing_guarantee != "exactly-once":
        return ""
    products = ",".join(sorted(settings.product_ids))
    digest = hashlib.sha256(products.encode()).hexdigest()[:16]
    return f"{settings.topics.trades}-producer-{settings.exchange}-{digest}"


if __name__ == "__main__":
    main()
