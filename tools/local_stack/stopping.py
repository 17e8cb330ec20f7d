"""When a run is to stop: Ctrl-C, SIGTERM, a closed terminal, or the end of what started it."""

import os
import signal
from types import FrameType

_FORCE_AFTER = 3


class StopRequest:
    """Set once the run is to stop; from the third signal on, the run is ended at once.

    Args:
        with_parent: stop too when the process that started this one is gone.
    """

    def __init__(self, with_parent: bool) -> None:
        self._signals = 0
        self._parent = os.getppid() if with_parent else None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._arrived)

    @property
    def is_set(self) -> bool:
        """Whether the run is to stop."""
        return self._signals > 0 or (self._parent is not None and os.getppid() != self._parent)

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals >= _FORCE_AFTER:
            raise KeyboardInterrupt
