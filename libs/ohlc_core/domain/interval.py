"""Intervals and the windows they cut event time into."""

import re
from typing import NamedTuple

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_TEXT = re.compile(r"([1-9][0-9]{0,5})([smhdw])")


class Interval(NamedTuple):
    """The length of a window, e.g. ``1m``.

    Attributes:
        text: as configured and as written in every candle.
        us: the length in microseconds.
    """

    text: str
    us: int

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read ``<count><s|m|h|d|w>``.

        Raises:
            ValueError: ``text`` is not such an interval.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"interval was {text!r}; expected e.g. 30s, 1m, 5m, 1h, 1d or 1w")
        return cls(text, int(match[1]) * _UNIT_MS[match[2]] * 1_000)

    def window_start(self, timestamp_us: int) -> int:
        """Return the start (us) of the window ``[start, start + interval)`` that holds the time.

        Windows are multiples of the interval since the Unix epoch.
        """
        return timestamp_us - timestamp_us % self.us
