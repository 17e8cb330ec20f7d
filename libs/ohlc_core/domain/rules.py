"""The candle rules of one pipeline, and the moments at which a window closes and is forgotten."""

from collections.abc import Sequence
from math import gcd

from ohlc_core.domain.interval import Interval

#: Trade ids are remembered in about this many buckets, so that a checkpoint rewrites few of them.
_ID_BUCKETS = 64


class CandleRules:
    """What the candles of a pipeline depend on besides its trades.

    Args:
        intervals: at least one, all computed in one pass.
        grace_us: a window closes when the watermark has passed its end by this much.
        retention_us: how much longer a closed window can still be corrected by late trades.
        fill_empty: whether windows without trades give flat candles.

    Raises:
        ValueError: no interval, an interval given twice, or a negative duration.
    """

    def __init__(
        self,
        intervals: Sequence[Interval],
        grace_us: int = 1_000_000,
        retention_us: int = 3_600_000_000,
        *,
        fill_empty: bool = False,
    ) -> None:
        if not intervals or len({interval[1:] for interval in intervals}) != len(intervals):
            raise ValueError(f"intervals were {intervals!r}; expected one or more distinct ones")
        if grace_us < 0 or retention_us < 0:
            raise ValueError(f"grace {grace_us} us or retention {retention_us} us was negative")
        self.intervals = tuple(sorted(intervals, key=lambda interval: interval.us))
        self.grace_us = grace_us
        self.retention_us = retention_us
        self.fill_empty = fill_empty
        #: Every window of every interval is a whole number of spans of this length.
        self.base_us = gcd(*(us for interval in intervals for us in interval[1:]))
        longest = self.intervals[-1].us
        #: A trade this much older than the watermark can no longer change any candle.
        self.memory_us = longest + grace_us + retention_us
        self.id_bucket_us = -(-self.memory_us // (_ID_BUCKETS * self.base_us)) * self.base_us

    def closed_until(self, watermark_us: int) -> int:
        """Return the time by which windows have to end for their candles to be emitted."""
        return watermark_us - self.grace_us

    def forgotten_at(self, window_end_us: int) -> int:
        """Return the watermark from which a trade of the window comes too late."""
        return window_end_us + self.grace_us + self.retention_us
