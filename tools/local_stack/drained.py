"""Whether everything a run appended has gone through its consumer groups."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ohlc_core.kafka.clients import connection_config
from ohlc_core.settings.groups import KafkaSettings
from ohlc_core.wire.topics import TopicNames

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
