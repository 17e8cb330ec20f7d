"""The candles of a run, as they close."""

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from ohlc_core.domain.candle import Candle
from ohlc_core.errors import MalformedMessageError
from ohlc_core.kafka.config import consumer_config
from ohlc_core.messages.codec import decode_candle
from ohlc_core.service.setting_groups import KafkaSettings


class TopicReader:
    """Reads a topic outside of any group, from its end or its beginning, without ever committing.

    A topic that does not exist yet is waited for, and then read from its beginning.
    """

    def __init__(self, settings: KafkaSettings, topic: str, from_end: bool) -> None:
        config = consumer_config(settings, "local-stack-view")
        self._consumer = Consumer(config | {"log_level": 0, "enable.auto.offset.store": False})
        self._topic = topic
        self._from_end = from_end
        self._is_assigned = False

    def read(self, timeout: float, most: int = 1_000) -> list[Message]:
        """Return records that came, waiting up to ``timeout`` seconds for the first."""
        if not self._is_assigned:
            self._assign(timeout)
        if not self._is_assigned:
            return []
        messages = self._consumer.consume(most, timeout)
        return [message for message in messages if message.error() is None]

    def close(self) -> None:
        """Let go of the broker."""
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
        return TopicPartition(self._topic, partition, high if self._from_end else low)


class CandleFeed:
    """The candles that close from now on."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._reader = TopicReader(settings, topic, from_end=True)

    def read(self, timeout: float) -> list[Candle]:
        """Return candles that closed, waiting up to ``timeout`` seconds for the first."""
        candles = []
        for message in self._reader.read(timeout):
            try:
                candles.append(decode_candle(message.value() or b""))
            except MalformedMessageError:
                continue  # not this view's to judge: the writer rejects it with its reason
        return candles

    def close(self) -> None:
        """Let go of the broker."""
        self._reader.close()
