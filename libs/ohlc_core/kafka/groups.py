"""What consumer groups have committed, asked without joining them."""

from collections.abc import Collection
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from ohlc_core.kafka.config import connection_config
from ohlc_core.kafka.patience import patient
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 10.0


class PartitionLag(NamedTuple):
    """One partition of a group.

    Attributes:
        topic, partition: which.
        committed: the offset the group goes on from; negative where it has committed none.
        end: the offset behind the partition's last record.
        lag: offsets of the partition that are not committed.
    """

    topic: str
    partition: int
    committed: int
    end: int
    lag: int


def partition_lags(
    settings: KafkaSettings, group: str, topics: Collection[str]
) -> list[PartitionLag]:
    """Return where the group stands in every partition of the topics that exist.

    Raises:
        KafkaException: the broker did not answer.
    """
    # A broker that has just come back names partitions that it does not answer for yet, and a
    # client keeps what it was told: each try asks with a client of its own.
    return patient(_partition_lags, _TIMEOUT_SECONDS)(settings, group, topics)


def _partition_lags(
    settings: KafkaSettings, group: str, topics: Collection[str]
) -> list[PartitionLag]:
    consumer = Consumer(connection_config(settings) | {"group.id": group, "log_level": 0})
    try:
        found = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics
        asked = [
            TopicPartition(topic, partition)
            for topic in topics
            if topic in found
            for partition in found[topic].partitions
        ]
        lags = []
        for each in consumer.committed(asked, timeout=_TIMEOUT_SECONDS) if asked else []:
            low, end = consumer.get_watermark_offsets(each, timeout=_TIMEOUT_SECONDS)
            lag = end - max(low, each.offset)
            lags.append(PartitionLag(each.topic, each.partition, each.offset, end, lag))
        return lags
    finally:
        consumer.close()


def group_lag(settings: KafkaSettings, group: str, topic: str) -> int | None:
    """Return how many offsets of the topic the group has not committed; None: no such topic.

    Raises:
        KafkaException: the broker did not answer.
    """
    lags = partition_lags(settings, group, [topic])
    return sum(each.lag for each in lags) if lags else None
