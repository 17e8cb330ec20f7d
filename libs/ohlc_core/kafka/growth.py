"""Whether a topic grows: the sign of life of whoever writes it, for those who do not read it."""

import threading
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ohlc_core.kafka.config import connection_config
from ohlc_core.service.setting_groups import KafkaSettings

_LOOK_SECONDS = 2.0
_REQUEST_SECONDS = 2.0


class TopicGrowth:
    """Looks every two seconds, from a thread, whether a topic has more records than before.

    Args:
        settings: the broker.
        topic: the topic.
        has_grown: called after each look that found more.
        stop: ends the thread.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        has_grown: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._has_grown = has_grown
        self._stop = stop
        self._end: int | None = None

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="growth", daemon=True).start()

    def _run(self) -> None:
        config = connection_config(self._settings) | {"group.id": "unused", "log_level": 0}
        consumer = Consumer(config)
        try:
            while not self._stop.wait(_LOOK_SECONDS):
                self._look(consumer)
        finally:
            consumer.close()

    def _look(self, consumer: Consumer) -> None:
        try:
            found = consumer.list_topics(self._topic, timeout=_REQUEST_SECONDS)
            partitions = [
                TopicPartition(self._topic, p) for p in found.topics[self._topic].partitions
            ]
            end = sum(
                consumer.get_watermark_offsets(each, timeout=_REQUEST_SECONDS)[1]
                for each in partitions
            )
        except KafkaException:
            return  # the broker's silence is judged elsewhere
        if self._end is not None and end > self._end:
            self._has_grown()
        self._end = end
