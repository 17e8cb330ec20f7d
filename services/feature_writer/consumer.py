"""Reading the ``ohlc`` topic as a member of the writers' consumer group."""

import json
from collections.abc import Callable
from typing import Protocol

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from loguru import logger

from ohlc_core.errors import FatalError
from ohlc_core.kafka.config import consumer_config
from ohlc_core.service.setting_groups import KafkaSettings

_STATISTICS_MS = 5_000
_REQUEST_SECONDS = 2.0

_FATAL_CODES = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the broker allows no reading of this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the broker allows no use of this consumer group",
    KafkaError.SASL_AUTHENTICATION_FAILED: "the broker refused the user or password",
    KafkaError.FENCED_INSTANCE_ID: "another process runs with this KAFKA_GROUP_INSTANCE_ID",
}


class Membership(Protocol):
    """Told when partitions come and go."""

    def before_revoke(self) -> None:
        """Partitions are about to go to another member: keep and commit what was read."""

    def gone(self, partitions: list[int]) -> None:
        """``partitions`` are not ours any more; their offsets must not be committed."""


class CandleConsumer:
    """The topic's consumer: no offset is committed but by `commit`.

    Args:
        broker_is_up: called every few seconds while the broker is connected.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        group: str,
        broker_is_up: Callable[[], None],
    ) -> None:
        self.topic = topic
        self._broker_is_up = broker_is_up
        config: dict[str, object] = dict(consumer_config(settings, group))
        config |= {
            # Tells the offset behind a transaction's end mark, which no record would: with it
            # committed, the group's lag reaches 0 also on topics written in transactions.
            "enable.partition.eof": True,
            "statistics.interval.ms": _STATISTICS_MS,
            "stats_cb": self._on_statistics,
            "error_cb": self._on_error,
            "log_level": 0,
        }
        self._consumer = Consumer(config)
        self._is_paused = False
        # A pause outlives a rebalance inside librdkafka, so partitions are remembered until they
        # are resumed while they are ours.
        self._to_resume: set[int] = set()
        self._read_to: dict[int, int] = {}

    def subscribe(self, membership: Membership) -> None:
        """Join the group."""

        def revoked(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            membership.before_revoke()
            membership.gone([each.partition for each in partitions])

        def lost(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            membership.gone([each.partition for each in partitions])

        self._consumer.subscribe([self.topic], on_revoke=revoked, on_lost=lost)

    def read(self, count: int, timeout_seconds: float) -> tuple[list[Message], dict[int, int]]:
        """Return up to ``count`` records, and the ends of partitions that were reached.

        An end is the offset behind the last thing in the partition, records or not.

        Raises:
            FatalError: the broker will not let this process read.
        """
        self._resume_what_is_back()
        records: list[Message] = []
        ends: dict[int, int] = {}
        for message in self._consumer.consume(count, timeout_seconds):
            error = message.error()
            partition, offset = message.partition(), message.offset()
            if error is None:
                records.append(message)
                self._read_to[partition or 0] = (offset or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                if partition is not None and offset is not None and offset != OFFSET_INVALID:
                    ends[partition] = self._read_to[partition] = offset
            else:
                self._on_error(error)
                _raise_if_fatal(error)
        return records, ends

    def has_unread(self) -> bool:
        """Ask the broker whether anything of our partitions lies ahead of what was read.

        Raises:
            KafkaException: it does not say.
        """
        for each in self._consumer.assignment():
            low, end = self._consumer.get_watermark_offsets(each, timeout=_REQUEST_SECONDS)
            if end > max(low, self._read_to.get(each.partition, low)):
                return True
        return False

    def pause(self) -> None:
        """Fetch nothing for now; `read` still keeps the membership alive."""
        self._is_paused = True
        assigned = self._consumer.assignment()
        self._to_resume.update(each.partition for each in assigned)
        self._consumer.pause(assigned)

    def resume(self) -> None:
        """Fetch again, also from partitions that are away now, once they are back."""
        self._is_paused = False

    def _resume_what_is_back(self) -> None:
        if self._is_paused or not self._to_resume:
            return
        back = [each for each in self._consumer.assignment() if each.partition in self._to_resume]
        self._consumer.resume(back)
        self._to_resume.difference_update(each.partition for each in back)

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit ``offsets`` and wait for the broker's word.

        Raises:
            KafkaException: they are not committed; the text says why.
        """
        committed = self._consumer.commit(offsets=offsets, asynchronous=False)
        for each in committed or ():
            if each.error is not None:
                raise KafkaException(each.error)

    def lag(self, offset: TopicPartition) -> int | None:
        """Return how many records stand at or after ``offset``, as far as is known here."""
        marks = self._consumer.get_watermark_offsets(offset, cached=True)
        if marks is None or marks[1] < 0:
            return None
        return max(0, int(marks[1]) - int(offset.offset))

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_error(self, error: KafkaError) -> None:
        logger.warning("broker: {}", error.str())

    def _on_statistics(self, text: str) -> None:
        brokers = json.loads(text).get("brokers", {}).values()
        if any(broker["state"] == "UP" and broker["nodeid"] >= 0 for broker in brokers):
            self._broker_is_up()


def _raise_if_fatal(error: KafkaError) -> None:
    why = _FATAL_CODES.get(error.code())
    if why is not None or error.fatal():
        raise FatalError(f"{why or 'the consumer can not go on'} ({error.str()})")
