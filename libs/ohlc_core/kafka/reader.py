"""Reading a range of a topic's records, outside of any group and without committing.

A range is fixed before it is read (`TopicReader.bounds`), so reading ends although others append.
Its end is the offset behind the last record that a reader of committed records may see; offsets
without a record (ends of transactions, aborted records) are passed over.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ohlc_core.errors import StoppedError, TopicUnreadableError
from ohlc_core.kafka.config import ClientConfig, reader_config
from ohlc_core.service.setting_groups import KafkaSettings

_RETRY_SECONDS = 0.2
_POLL_SECONDS = 0.2
_AT_ONCE = 1_000
#: The client's own ``retriable`` is true for errors of transactions alone.
_PASSING = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}


class Bounds(NamedTuple):
    """The first offset of a partition, and the one behind its last record."""

    low: int
    end: int


def _nothing() -> None:
    pass


class TopicReader:
    """Reads ranges of one topic; close it, or use it as a context manager.

    Args:
        settings: the broker.
        topic: what is read.
        stop: ends every wait with `StoppedError`.
        on_progress: called whenever something was read or waited for.
        patience_seconds: how long the broker may stay silent.
        config: additions to the client's configuration.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        *,
        stop: threading.Event | None = None,
        on_progress: Callable[[], None] = _nothing,
        patience_seconds: float = 30.0,
        config: ClientConfig | None = None,
    ) -> None:
        self.topic = topic
        self._stop = stop or threading.Event()
        self._on_progress = on_progress
        self._patience = patience_seconds
        self._consumer = Consumer(reader_config(settings) | (config or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def bounds_now(self, timeout_seconds: float = 10.0) -> dict[int, Bounds] | None:
        """Return every partition's bounds from one request, or None where there is no topic.

        Raises:
            KafkaException: the broker did not answer, or not with all bounds in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                return self._ask_bounds(timeout_seconds)
            except KafkaException as error:
                # A partition has no leader yet right after its topic was created.
                if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                    raise
            self._wait(_RETRY_SECONDS)

    def _ask_bounds(self, timeout_seconds: float) -> dict[int, Bounds] | None:
        found = self._consumer.list_topics(self.topic, timeout=timeout_seconds).topics[self.topic]
        if found.error is not None:
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise KafkaException(found.error)
        return {
            partition: Bounds(
                *self._consumer.get_watermark_offsets(
                    TopicPartition(self.topic, partition), timeout=timeout_seconds
                )
            )
            for partition in found.partitions
        }

    def bounds(self) -> dict[int, Bounds]:
        """Return every partition's bounds, waiting for a topic or broker that just started.

        Raises:
            TopicUnreadableError: there is no such topic, or no answer in time.
            StoppedError: as `stop` was set.
        """
        deadline = time.monotonic() + self._patience
        reason = "it does not exist"
        while True:
            try:
                found = self.bounds_now()
            except KafkaException as error:
                reason = error.args[0].str()
                found = None
            if found:
                return found
            if time.monotonic() > deadline:
                raise TopicUnreadableError(f"topic {self.topic} could not be read: {reason}")
            self._wait(_RETRY_SECONDS)

    def offsets_since(self, timestamp_ms: int) -> dict[int, int]:
        """Return each partition's first offset with a record of this time or later.

        Partitions without such a record are left out.

        Raises:
            KafkaException: the broker did not answer.
        """
        asked = [TopicPartition(self.topic, each, timestamp_ms) for each in self.bounds()]
        found = self._consumer.offsets_for_times(asked, timeout=self._patience)
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def read(self, ranges: Mapping[int, Bounds]) -> Iterator[Message]:
        """Yield the records of the ranges, each partition's in order.

        Raises:
            TopicUnreadableError: a range could not be read to its end.
            StoppedError: as `stop` was set.
        """
        ends = {partition: end for partition, (low, end) in ranges.items() if end > low}
        if not ends:
            return
        self._consumer.assign(
            [TopicPartition(self.topic, partition, ranges[partition].low) for partition in ends]
        )
        try:
            yield from self._read_to(ends)
        finally:
            self._consumer.unassign()

    def _read_to(self, ends: dict[int, int]) -> Iterator[Message]:
        deadline = time.monotonic() + self._patience
        while ends:
            messages = self._some()
            if messages:
                deadline = time.monotonic() + self._patience
            elif time.monotonic() > deadline:
                raise TopicUnreadableError(
                    f"topic {self.topic} could not be read to its end: the broker sent nothing of "
                    f"partition {min(ends)} for {self._patience:g} s"
                )
            for message in messages:
                partition = message.partition()
                if partition not in ends or not self._is_record(message):
                    self._end_if_reached(message, ends)
                    continue
                if message.offset() < ends[partition]:
                    yield message
                if message.offset() >= ends[partition] - 1:
                    del ends[partition]

    def _some(self) -> list[Message]:
        """Return what is there, waiting for the first record only."""
        self._wait(0)
        first = self._consumer.poll(_POLL_SECONDS)
        if first is None:
            return []
        return [first, *self._consumer.consume(_AT_ONCE, timeout=0)]

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        is_end = error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name
        # A broker that restarts, or moves a partition, is read again by the client itself.
        if is_end or error.code() in _PASSING or error.code() < 0:
            return False
        raise TopicUnreadableError(f"topic {self.topic} could not be read: {error.str()}")

    def _end_if_reached(self, message: Message, ends: dict[int, int]) -> None:
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            ends.pop(message.partition(), None)

    def _wait(self, seconds: float) -> None:
        self._on_progress()
        if self._stop.wait(seconds) if seconds else self._stop.is_set():
            raise StoppedError(f"stopped while topic {self.topic} was read")
