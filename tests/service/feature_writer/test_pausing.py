"""A pause ends for every partition, also for one that was away when it ended."""

import pytest
from confluent_kafka import Consumer

from feature_writer.consumer import CandleConsumer
from local_stack.brokers import LocalBroker
from ohlc_core.settings.base import load
from ohlc_core.settings.groups import KafkaSettings
from support.kafka import create_topics, produce
from support.wait import wait_until

pytestmark = pytest.mark.service


class _ResumesWhileAway:
    """Ends the pause at the very moment the partitions are gone."""

    def __init__(self, consumer: CandleConsumer) -> None:
        self._consumer = consumer
        self.went = 0

    def before_revoke(self) -> None:
        """Nothing was read."""

    def gone(self, partitions: list[int]) -> None:
        self.went += len(partitions)


def test_a_partition_that_was_away_when_the_pause_ended_is_read_when_it_is_back(
    broker: LocalBroker, unique_run_id: str
) -> None:
    topic, group = f"candles-{unique_run_id}", f"writer-{unique_run_id}"
    create_topics(broker.address, topic, partitions=1)
    settings = load(KafkaSettings, kafka_broker_address=broker.address)
    ours = CandleConsumer(settings, topic, group, broker_is_up=lambda: None)
    membership = _ResumesWhileAway(ours)
    ours.subscribe(membership)
    wait_until(lambda: ours.read(10, 0.1)[1], 30, "the partition is ours and at its end")

    ours.pause()
    other = Consumer(
        {"bootstrap.servers": broker.address, "group.id": group, "session.timeout.ms": 6_000}
    )
    other.subscribe([topic])

    def both_poll() -> int:
        other.poll(0.05)
        ours.read(10, 0.05)
        return membership.went

    wait_until(both_poll, 30, "the partition went away")
    ours.resume()
    other.close()
    produce(broker.address, topic, [("key", b"after the pause")])

    wait_until(lambda: ours.read(10, 0.1)[0], 30, "the record is read")
    ours.close()
