"""A service that hangs ends itself, so that whoever supervises it starts it again.

Supervisors restart a process that exits, not one that is merely unhealthy.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loguru import logger

from ohlc_core.service.health import Health

_LOOK_SECONDS = 1.0
#: Time is counted in looks of at most this length: a process that was frozen, or whose machine
#: slept, has a moment to move before it is judged.
_LONGEST_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0
#: Longer than the longest flush of a service at its end, shorter than Compose waits for it.
_STOP_SECONDS = 28.0


def _end(line: str) -> None:
    logger.critical("{}", line)
    os._exit(1)


class Watchdog:
    """Ends the process, exit code 1 and one line, when a part hangs although its peer answers.

    Args:
        health: the parts, and after how long a silence each of them counts as hanging.
        stop: set once the service was asked to stop; it must do so within `_STOP_SECONDS`.
        monotonic: seconds from any fixed moment, never going back.
        end: ends the process with this line.
    """

    def __init__(
        self,
        health: Health,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
        end: Callable[[str], None] = _end,
    ) -> None:
        self._health = health
        self._stop = stop
        self._monotonic = monotonic
        self._end = end
        self._done = threading.Event()
        self._last_look = monotonic()
        self._hanging_seconds = 0.0
        self._stopping_seconds = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look once a second, from a thread of its own, until the block ends."""
        thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()

    def look(self) -> None:
        """Judge the service now."""
        now = self._monotonic()
        seconds = min(now - self._last_look, _LONGEST_LOOK_SECONDS)
        self._last_look = now
        if self._stop.is_set():
            self._stopping_seconds += seconds
            if self._stopping_seconds > _STOP_SECONDS:
                self._end(f"asked to stop, and not done after {_STOP_SECONDS:g} s: ending")
            return
        hangs = self._health.hangs()
        self._hanging_seconds = self._hanging_seconds + seconds if hangs else 0.0
        if self._hanging_seconds < _PATIENCE_SECONDS:
            return
        for hang in hangs:
            if hang.peer_answers():
                self._end(
                    f"no progress of {hang.part} for {hang.silent_seconds:.0f} s although what "
                    "it waits for answers: ending, to be started again"
                )
        self._hanging_seconds = 0.0

    def _run(self) -> None:
        while not self._done.wait(_LOOK_SECONDS):
            self.look()
