"""When a run is to stop: Ctrl-C, SIGTERM, a closed terminal, or the end of what started it."""

import os
import re
import signal
from pathlib import Path
from types import FrameType

_FORCE_AFTER = 3
_BLOCKED = re.compile(r"^SigBlk:\s*([0-9a-f]+)$", re.MULTILINE)


class StopRequest:
    """Set once the run is to stop; from the third signal on, the run is ended at once.

    Args:
        with_parent: stop too when the process that started this one is gone, or waits for this
            one's end after a Ctrl-C of its own, as make does, which passes it on to nobody.
    """

    def __init__(self, with_parent: bool) -> None:
        self._signals = 0
        self._parent = os.getppid() if with_parent else None
        self._parent_blocked_before = self._parent is not None and _blocks_sigint(self._parent)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._arrived)

    @property
    def is_set(self) -> bool:
        """Whether the run is to stop."""
        return self._signals > 0 or (self._parent is not None and self._parent_stops(self._parent))

    def _parent_stops(self, parent: int) -> bool:
        if os.getppid() != parent:
            return True
        # A process blocks a signal while it handles it.
        return not self._parent_blocked_before and _blocks_sigint(parent)

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals >= _FORCE_AFTER:
            raise KeyboardInterrupt


def _blocks_sigint(process: int) -> bool:
    """Return whether the process holds SIGINT back now; False where that cannot be seen."""
    try:
        blocked = _BLOCKED.search(Path(f"/proc/{process}/status").read_text("ascii"))
    except (OSError, UnicodeDecodeError):
        return False
    return blocked is not None and bool(int(blocked[1], 16) & 1 << signal.SIGINT - 1)
