"""Raw records into and out of a broker."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local_stack.brokers import LocalBroker
from ohlc_core.kafka.patience import patient
from ohlc_core.kafka.reader import TopicReader
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load

#: The type of the fixture ``own_broker``.
OwnBroker = Callable[[], LocalBroker]


class Record(NamedTuple):
    """One record as it is on the topic."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    timestamp_ms: int


def create_topics(
    address: str, *topics: str, partitions: int = 4, replication: int = 1, keep: bool = True
) -> None:
    """Create topics that do not exist; ``keep`` switches retention by time off.

    A broker that was frozen may let a request lie that it took in before: it is asked again.
    """
    config = {"retention.ms": "-1"} if keep else {}
    wanted = [NewTopic(topic, partitions, replication, config=config) for topic in topics]
    patient(_create, 60)(address, wanted)


def _create(address: str, wanted: list[NewTopic]) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    for future in admin.create_topics(wanted, request_timeout=10).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def produce(
    address: str,
    topic: str,
    records: Iterable[tuple[str, bytes | None]],
    timestamp_ms: int | None = None,
) -> None:
    """Append (key, value) records with the services' partitioner; all are acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            errors.append(error)

    for key, value in records:
        when = {} if timestamp_ms is None else {"timestamp": timestamp_ms}
        producer.produce(topic, key=key, value=value, on_delivery=delivered, **when)
        producer.poll(0)
    left = producer.flush(30)
    assert not errors, errors
    assert left == 0, f"{left} records were not acknowledged within 30 s"


def read_topic(address: str, topic: str, timeout: float = 30.0) -> list[Record]:
    """Return every committed record of the topic, from its beginning to its present end.

    Records of one partition are in order. An open transaction hides what follows it.
    """
    settings = load(KafkaSettings, kafka_broker_address=address)
    with TopicReader(settings, topic, patience_seconds=timeout) as reader:
        return [
            Record(
                message.key(),
                message.value(),
                message.partition() or 0,
                message.offset() or 0,
                message.timestamp()[1],
            )
            for message in reader.read(reader.bounds_now(timeout) or {})
        ]
