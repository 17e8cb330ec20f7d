"""The time a row is said to be stored at, which must not be before anyone can read it.

A row can be read once its transaction is committed, but says so itself and so must know the moment
before. The stamp is therefore a little ahead: by what writes took lately. A write that took longer
is stamped again.
"""

from collections.abc import Callable

_MARGIN_MS = 2
_FORGET = 0.9


class Stamps:
    """Gives each write its time, ms since the Unix epoch.

    Args:
        now_ms: the clock of the machine.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lead_ms = 5.0
        self._begun_ms = 0
        self._last = 0

    def next(self) -> int:
        """Return the time of the write that begins now; it never goes back."""
        self._begun_ms = self._now_ms()
        self._last = max(self._last, self._begun_ms + round(self._lead_ms) + _MARGIN_MS)
        return self._last

    def late(self) -> int | None:
        """Note that the write is committed; return the time it should have, if a later one."""
        now = self._now_ms()
        took = max(0, now - self._begun_ms)
        self._lead_ms = max(1.5 * took, self._lead_ms * _FORGET)
        # Within the same millisecond a reader may have come first.
        if now < self._last:
            return None
        self._last = now + _MARGIN_MS
        return self._last
