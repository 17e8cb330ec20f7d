"""How long a live trade takes from its event time to the broker's acknowledgement, sampled."""

import time
from collections.abc import Callable

from prometheus_client import Histogram

_EVERY_SECONDS = 0.1


class AppendDelay:
    """Takes a sample of the live trades, ten a second at most: a delay for each would cost more.

    Args:
        histogram: where delays go, in seconds.
        monotonic: seconds from any fixed moment, never going back.
        now_us: this machine's clock.

    Attributes:
        clock_offset_us: the exchange's clock minus this machine's; without it a wrong clock here
            would show as a delay.
    """

    def __init__(
        self,
        histogram: Histogram,
        monotonic: Callable[[], float] = time.monotonic,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.clock_offset_us = 0
        self._histogram = histogram
        self._monotonic = monotonic
        self._now_us = now_us
        self._next = 0.0

    def probe(self, event_us: int) -> Callable[[], None] | None:
        """Return what is to be called at the acknowledgement, or None: this one is no sample."""
        now = self._monotonic()
        if now < self._next:
            return None
        self._next = now + _EVERY_SECONDS

        def acknowledged() -> None:
            delay_us = self._now_us() + self.clock_offset_us - event_us
            self._histogram.observe(max(0, delay_us) / 1e6)

        return acknowledged
