"""The end of a backfill: whether all is stored, and what to delete then."""

import contextlib
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from ohlc_core.kafka.config import connection_config
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 10.0


def is_drained(settings: KafkaSettings, topics: TopicNames) -> bool:
    """Return whether every trade is in a candle, and every candle is stored.

    The aggregator commits its offsets after its candles are on their topic, and the writer after
    they are in the store; so asked in this order, no lag in both means that all is stored. False
    also while the broker does not answer.
    """
    try:
        return _lag(settings, topics.aggregator_group, topics.trades) == 0 and (
            _lag(settings, topics.writer_group, topics.ohlc) == 0
        )
    except KafkaException:
        return False


def delete_run(settings: KafkaSettings, topics: TopicNames) -> None:
    """Delete a finished backfill's topics and groups; live ones are never touched.

    What can not be deleted does no harm and stays.
    """
    if not topics.is_backfill:
        raise ValueError("only a backfill's topics may be deleted")
    admin = AdminClient(connection_config(settings) | {"log_level": 0})
    own = {topics.trades, topics.ohlc, topics.trades_dlq, topics.ohlc_dlq}
    changelogs = f"changelog__{topics.aggregator_group}--"
    doomed = [
        topic
        for topic in admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        if topic in own or topic.startswith(changelogs)
    ]
    futures: list[Future[None]] = []
    if doomed:
        futures += admin.delete_topics(doomed).values()
    futures += admin.delete_consumer_groups([topics.aggregator_group, topics.writer_group]).values()
    for future in futures:
        with contextlib.suppress(KafkaException):
            future.result(_TIMEOUT_SECONDS)


def _lag(settings: KafkaSettings, group: str, topic: str) -> int:
    """Return how many offsets of the topic the group has not committed, without joining it."""
    consumer = Consumer(connection_config(settings) | {"group.id": group, "log_level": 0})
    try:
        metadata = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        asked = [TopicPartition(topic, partition) for partition in metadata.partitions]
        lag = 0
        for each in consumer.committed(asked, timeout=_TIMEOUT_SECONDS):
            low, high = consumer.get_watermark_offsets(each, timeout=_TIMEOUT_SECONDS)
            lag += high - max(low, each.offset)
        return lag
    finally:
        consumer.close()
