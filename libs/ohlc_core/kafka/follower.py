"""Reading what is appended to a topic from now on, outside of any group."""

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from ohlc_core.kafka.config import reader_config
from ohlc_core.service.setting_groups import KafkaSettings


class TopicFollower:
    """Reads a topic outside of any group, from its end or its beginning, and never commits.

    A topic that does not exist yet is waited for, and then read from its beginning.

    Args:
        settings: the broker.
        topic: the topic.
        from_end: begin at its end, not at its beginning.
        last: begin this many offsets of each partition before the end instead.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, from_end: bool, *, last: int = 0
    ) -> None:
        self._consumer = Consumer(reader_config(settings))
        self._topic = topic
        self._from_end = from_end
        self._last = last
        self._is_assigned = False

    def read(self, timeout: float, at_most: int = 1_000) -> list[Message]:
        """Return records that came, waiting up to ``timeout`` seconds for the first."""
        if not self._is_assigned:
            self._assign(timeout)
        if not self._is_assigned:
            return []
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(at_most, timeout=0)]
        return [message for message in messages if message.error() is None]

    def ask(self, timeout: float = 2.0) -> None:
        """Ask the broker for the topic, to know that it is there.

        Raises:
            KafkaException: it did not answer.
        """
        self._consumer.list_topics(self._topic, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _assign(self, timeout: float) -> None:
        try:
            topic = self._consumer.list_topics(self._topic, timeout=max(0.1, timeout))
            partitions = topic.topics[self._topic].partitions
            if not partitions:
                self._from_end = False
                return
            self._consumer.assign([self._first(partition) for partition in partitions])
        except KafkaException:
            return
        self._is_assigned = True

    def _first(self, partition: int) -> TopicPartition:
        where = TopicPartition(self._topic, partition)
        low, high = self._consumer.get_watermark_offsets(where, timeout=5.0)
        # A plain number: "end" would be looked up later, past candles that closed meanwhile.
        return TopicPartition(
            self._topic, partition, max(low, high - self._last) if self._from_end else low
        )
