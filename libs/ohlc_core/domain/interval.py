"""Intervals and the windows they cut event time into."""

import re
from functools import lru_cache
from typing import NamedTuple

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# The multiples of a week since the epoch begin on Thursdays; exchanges' weeks begin on Mondays.
_MONDAY_WEEK = "1w@monday"
_FIRST_MONDAY_US = 4 * 86_400_000_000  # 1970-01-05
_TEXT = re.compile(r"([1-9][0-9]{0,5})([smhdw])")


class Interval(NamedTuple):
    """The length of a window, e.g. ``1m``.

    Attributes:
        text: as configured and as written in every candle.
        us: the length in microseconds.
        offset_us: a window's start, in microseconds since the Unix epoch.
    """

    text: str
    us: int
    offset_us: int = 0

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> "Interval":
        """Read ``<count><s|m|h|d|w>`` or ``1w@monday``.

        Raises:
            ValueError: ``text`` is not such an interval.
        """
        if text == _MONDAY_WEEK:
            return cls(text, _UNIT_MS["w"] * 1_000, _FIRST_MONDAY_US)
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(
                f"interval was {text!r}; expected e.g. 30s, 1m, 5m, 1h, 1d, 1w or {_MONDAY_WEEK}"
            )
        return cls(text, int(match[1]) * _UNIT_MS[match[2]] * 1_000)

    def window_start(self, timestamp_us: int) -> int:
        """Return the start (us) of the window ``[start, start + interval)`` that holds the time.

        Windows are multiples of the interval since the Unix epoch, those of ``1w@monday`` since
        the first Monday after it.
        """
        return timestamp_us - (timestamp_us - self.offset_us) % self.us

    def first_start(self, from_us: int) -> int:
        """Return the start (us) of the first window that begins at or after ``from_us``."""
        return from_us + (self.offset_us - from_us) % self.us
