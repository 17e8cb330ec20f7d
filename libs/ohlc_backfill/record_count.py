"""How many records a topic holds, told by its offsets: the candles of a run, for example."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ohlc_core.kafka.config import connection_config
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 2.0


class RecordCount:
    """Counts a topic's records without reading them.

    Args:
        settings: how to reach the broker.
        topic: whose records.
    """

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._topic = topic
        config = connection_config(settings) | {"group.id": "record-count"}
        self._consumer = Consumer(config | {"log_level": 0})

    def __call__(self) -> int | None:
        """Return the count, or None while there is no such topic or no answer."""
        try:
            metadata = self._consumer.list_topics(self._topic, timeout=_TIMEOUT_SECONDS)
            found = metadata.topics[self._topic]
            if found.error is not None:
                return None
            ends = [
                self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), timeout=_TIMEOUT_SECONDS
                )
                for partition in found.partitions
            ]
        except KafkaException:
            return None
        return sum(int(high) - int(low) for low, high in ends)

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()
