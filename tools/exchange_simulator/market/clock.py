"""The exchange's clock: starts at a given time, runs at a multiple of real time."""

import math
from collections.abc import Callable


class SimulatedClock:
    """Simulated time, in nanoseconds since the Unix epoch.

    Args:
        start_ns: simulated time at construction.
        speed: simulated seconds per real second; ``inf`` means the clock is driven by
            `jump_to` alone.
        monotonic_ns: real nanoseconds from any fixed moment.
        ceiling_ns: a time the clock never passes (the real time, for a generated market), or
            None.
        paused: whether it stands at ``start_ns`` until `resume`.
    """

    def __init__(
        self,
        start_ns: int,
        speed: float,
        monotonic_ns: Callable[[], int],
        ceiling_ns: Callable[[], int] | None = None,
        *,
        paused: bool = False,
    ) -> None:
        self._base_ns = start_ns
        self._speed = speed
        self._monotonic_ns = monotonic_ns
        self._ceiling_ns = ceiling_ns
        self._since = monotonic_ns()
        self._running = not paused
        self.start_ns = start_ns

    @property
    def is_driven(self) -> bool:
        """Whether time moves only by `jump_to` and `advance`."""
        return math.isinf(self._speed)

    @property
    def is_running(self) -> bool:
        """Whether the clock is not paused."""
        return self._running

    def now_ns(self) -> int:
        """Return the simulated time."""
        now = self._base_ns
        if self._running and not self.is_driven:
            now += int((self._monotonic_ns() - self._since) * self._speed)
        return now if self._ceiling_ns is None else min(now, self._ceiling_ns())

    def pause(self) -> None:
        """Stop the clock."""
        self._rebase()
        self._running = False

    def resume(self) -> None:
        """Let the clock run on from where it stands."""
        self._rebase()
        self._running = True

    def advance(self, ns: int) -> None:
        """Move the clock ahead, paused or not; the ceiling still holds."""
        self._rebase()
        self._base_ns += ns

    def jump_to(self, time_ns: int) -> None:
        """Move the clock to a time, never back."""
        self._rebase()
        self._base_ns = max(self._base_ns, time_ns)

    def run_at(self, speed: float) -> None:
        """Go on at another speed."""
        self._rebase()
        self._speed = speed

    def _rebase(self) -> None:
        self._base_ns = self.now_ns()
        self._since = self._monotonic_ns()
