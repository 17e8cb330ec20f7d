"""What was read from the topic and is not yet kept."""

from typing import NamedTuple

from ohlc_core.domain.candle import Candle
from ohlc_core.messages.records import DeadLetter


class Rejected(NamedTuple):
    """A record on its way to the dead-letter topic, with what identifies it there."""

    key: bytes | None
    timestamp_ms: int
    letter: DeadLetter


class Batch:
    """Candles to write and records to reject, before the positions read are committed.

    Attributes:
        candles: to be written to the store.
        rejected: to be sent to the dead-letter topic.
    """

    def __init__(self) -> None:
        self.candles: list[Candle] = []
        self.rejected: list[Rejected] = []

    def __len__(self) -> int:
        """Return how many records wait in it."""
        return len(self.candles) + len(self.rejected)

    def clear(self) -> None:
        """Forget everything: it is read again."""
        self.candles.clear()
        self.rejected.clear()
