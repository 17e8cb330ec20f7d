"""What was read from the topic and is not yet kept."""

from typing import NamedTuple

from confluent_kafka import TopicPartition

from ohlc_core.domain.candle import Candle
from ohlc_core.messages.records import DeadLetter


class Rejected(NamedTuple):
    """A record on its way to the dead-letter topic, with what identifies it there."""

    key: bytes | None
    timestamp_ms: int
    letter: DeadLetter


class Batch:
    """Candles to write, records to reject, and the offsets to commit once both are done.

    Attributes:
        candles: to be written to the store.
        rejected: to be sent to the dead-letter topic.
        since: monotonic seconds of the oldest thing waiting in it; None when nothing is.
    """

    def __init__(self) -> None:
        self.candles: list[Candle] = []
        self.rejected: list[Rejected] = []
        self.since: float | None = None
        self._next_offsets: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def advance(self, partition: int, next_offset: int, now: float) -> None:
        """Note that everything before ``next_offset`` was read."""
        if next_offset <= self._committed.get(partition, -1):
            return
        self._next_offsets[partition] = next_offset
        if self.since is None:
            self.since = now

    def is_due(self, now: float, size: int, seconds: float) -> bool:
        """Tell whether it is full, or its oldest part has waited long enough."""
        if self.since is None:
            return False
        full = len(self.candles) + len(self.rejected) >= size
        return full or now - self.since >= seconds

    def offsets(self, topic: str) -> list[TopicPartition]:
        """Return where each partition is to be resumed once this batch is kept."""
        return [
            TopicPartition(topic, partition, offset)
            for partition, offset in self._next_offsets.items()
        ]

    def committed(self) -> None:
        """Note that all of the batch is kept and its offsets are committed."""
        self._committed.update(self._next_offsets)
        self._next_offsets.clear()
        self.since = None

    def forget(self, partition: int) -> None:
        """Drop the offsets of a partition that is not ours any more.

        Its candles stay: whoever reads them again writes the same rows.
        """
        self._next_offsets.pop(partition, None)
        self._committed.pop(partition, None)
        if not (self._next_offsets or self.candles or self.rejected):
            self.since = None
