"""When a quiet product needs a watermark, so that its candles close without a trade."""

from collections.abc import Sequence

from ohlc_core.domain.interval import Interval

# Trades of a moment come within this time.
_SETTLE_US = 1_000_000


class Watermarks:
    """The rule of watermarks for one product.

    Args:
        intervals: the candles' intervals.
        grace_us: how long after a window's end the aggregator waits; a watermark must pass it.
    """

    def __init__(self, intervals: Sequence[Interval], grace_us: int) -> None:
        self._intervals = tuple(intervals)
        self._grace_us = grace_us
        self._reached_us: int | None = None

    def begin(self, from_us: int) -> None:
        """The stream begins at the moment: no window before it needs closing."""
        self.reach(from_us + self._grace_us)

    def reach(self, event_us: int) -> None:
        """A trade or a watermark of this time is in the topic."""
        if self._reached_us is None or event_us > self._reached_us:
            self._reached_us = event_us

    def now_us(self, certain_us: int) -> int | None:
        """Return a watermark of this moment, whether or not a boundary has passed.

        It closes no window earlier than `due_us` does.
        """
        watermark = certain_us - _SETTLE_US
        if self._reached_us is None or watermark <= self._reached_us:
            return None
        return watermark

    def due_us(self, certain_us: int) -> int | None:
        """Return the watermark to append, or None when event time needs no help.

        Args:
            certain_us: a time that has certainly passed at the exchange.
        """
        if self._reached_us is None:
            return None
        passed = certain_us - self._grace_us
        boundary = max(interval.window_start(passed) for interval in self._intervals)
        watermark = boundary + self._grace_us
        return watermark if watermark > self._reached_us else None


class WindowEnds:
    """Notices when some window's end and the grace period have passed, each time once.

    Args:
        intervals: the candles' intervals.
        grace_us: how long after a window's end the aggregator waits.
    """

    def __init__(self, intervals: Sequence[Interval], grace_us: int) -> None:
        self._intervals = tuple(intervals)
        self._grace_us = grace_us
        self._due_us = 0

    def have_passed(self, exchange_us: int) -> bool:
        """Return whether another window is to be closed at this exchange's time."""
        if exchange_us < self._due_us:
            return False
        passed = exchange_us - self._grace_us
        self._due_us = self._grace_us + min(
            each.window_start(passed) + each.us for each in self._intervals
        )
        return True

    def seconds_left(self, exchange_us: int) -> float:
        """Return how long it takes until the next one is, at 0 at least."""
        return max(0.0, (self._due_us - exchange_us) / 1e6)
