"""Health is progress: a part is healthy while it has moved within its allowed silence."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class Hang(NamedTuple):
    """A part that made no progress for longer than a working service ever needs."""

    part: str
    silent_seconds: float
    peer_answers: Callable[[], bool]


class _Part:
    """What is expected of one part, and when it last moved."""

    def __init__(
        self,
        within_seconds: float,
        last: float | None,
        ends_after_seconds: float | None,
        peer_answers: Callable[[], bool],
    ) -> None:
        self.within_seconds = within_seconds
        self.last = last
        self.ends_after_seconds = ends_after_seconds
        self.peer_answers = peer_answers

    def silent_seconds(self, now: float) -> float:
        return 0.0 if self.last is None else now - self.last

    def is_healthy(self, now: float) -> bool:
        return self.last is None or now - self.last <= self.within_seconds


class Health:
    """Which parts of a service there are, and when each last made progress.

    Args:
        monotonic: seconds from any fixed moment, never going back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()

    def expect(
        self,
        part: str,
        within_seconds: float,
        *,
        from_first: bool = False,
        ends_after_seconds: float | None = None,
        peer_answers: Callable[[], bool] = lambda: True,
    ) -> None:
        """Declare that ``part`` makes progress at least this often, counted from now.

        Args:
            part: its name.
            within_seconds: a longer silence is unhealthy.
            from_first: count from its first progress instead, however late that comes.
            ends_after_seconds: a longer silence ends the process, see `watchdog`; None: never.
            peer_answers: whether what the part waits for answers, so that the silence is its
                own fault. Asked, from another thread, only before the process is ended.
        """
        last = None if from_first else self._monotonic()
        with self._lock:
            self._parts[part] = _Part(within_seconds, last, ends_after_seconds, peer_answers)

    def progress(self, part: str) -> None:
        """Note that ``part`` moved just now."""
        expected = self._parts.get(part)
        if expected is not None:
            expected.last = self._monotonic()

    def report(self) -> tuple[bool, dict[str, dict[str, float | bool]]]:
        """Return whether every part is healthy, and each part's seconds of silence."""
        now = self._monotonic()
        with self._lock:
            parts: dict[str, dict[str, float | bool]] = {
                name: {
                    "healthy": part.is_healthy(now),
                    "silent_seconds": round(part.silent_seconds(now), 3),
                    "allowed_seconds": part.within_seconds,
                }
                for name, part in self._parts.items()
            }
        return all(bool(part["healthy"]) for part in parts.values()), parts

    def hangs(self) -> list[Hang]:
        """Return the parts whose silence has lasted long enough to end the process."""
        now = self._monotonic()
        with self._lock:
            return [
                Hang(name, part.silent_seconds(now), part.peer_answers)
                for name, part in self._parts.items()
                if part.ends_after_seconds is not None
                and part.silent_seconds(now) > part.ends_after_seconds
            ]
