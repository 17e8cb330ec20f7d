"""What may come thousands of times a second: one log line a minute for each kind, with a count."""

import time
from collections.abc import Callable

from loguru import logger

_EVERY_SECONDS = 60.0
_MAX_KINDS = 100


class Notices:
    """Logs the first of a kind at once, and how many followed once a minute.

    Args:
        monotonic: seconds from any fixed moment.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def warn(self, kind: str, message: str) -> None:
        """Log the message, or count it where one of its kind was logged within a minute.

        Args:
            kind: a word that is the same for all messages of the kind.
            message: one line.
        """
        if kind not in self._since and len(self._since) < _MAX_KINDS:
            self._since[kind] = self._monotonic()
            self._held[kind] = 0
            logger.warning("{}", message)
        else:
            self._held[kind] = self._held.get(kind, 0) + 1

    def tick(self) -> None:
        """Log the counts that are due."""
        now = self._monotonic()
        for kind, since in list(self._since.items()):
            if now - since < _EVERY_SECONDS:
                continue
            if held := self._held[kind]:
                logger.warning("{}: {} more within {:.0f} s", kind, held, now - since)
                self._since[kind], self._held[kind] = now, 0
            else:
                del self._since[kind], self._held[kind]


class Sampler:
    """Lets the first ``burst`` of a minute through, then one a second.

    Args:
        burst: how many.
        monotonic: seconds from any fixed moment.
    """

    def __init__(self, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._monotonic = monotonic
        self._minute_began = monotonic()
        self._passed = 0
        self._last = float("-inf")

    def passes(self) -> bool:
        """Return whether this one is let through."""
        now = self._monotonic()
        if now - self._minute_began >= _EVERY_SECONDS:
            self._minute_began, self._passed = now, 0
        if self._passed >= self._burst and now - self._last < 1.0:
            return False
        self._passed += 1
        self._last = now
        return True
