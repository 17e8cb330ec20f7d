"""A small guard process that ends this process's children when it is gone, even by SIGKILL.

It holds the reading end of a pipe whose other end only this process has. Every child started is
given to it; at end-of-file it ends the process groups it still knows: SIGTERM, then SIGKILL. Unlike
Linux's parent-death signal this works on any POSIX system, from any thread, and for grandchildren.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

_GRACE_SECONDS = 5.0

_lock = threading.Lock()
_guard: subprocess.Popen[bytes] | None = None
_held: set[int] = set()


def hold(descriptor: int) -> None:
    """Have the guard keep this file descriptor open until the last child is gone.

    Call it before the first `adopt`.
    """
    _held.add(descriptor)


def let_go(descriptor: int) -> None:
    """Forget a descriptor, which is about to be closed here; a guard that has it keeps it."""
    _held.discard(descriptor)


def adopt(group: int) -> None:
    """Have the process group ended when this process is gone."""
    _tell(f"+{group}\n")


def release(group: int) -> None:
    """Forget the process group: its leader has been waited for."""
    _tell(f"-{group}\n")


def _tell(line: str) -> None:
    with _lock:
        pipe = _guard_pipe()
        pipe.write(line.encode())
        pipe.flush()


def _guard_pipe() -> IO[bytes]:
    global _guard  # noqa: PLW0603 - one guard a process is the point
    if _guard is None:
        atexit.register(_end_guard)
    if _guard is None or _guard.poll() is not None:
        _guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=tuple(_held),
        )
    if _guard.stdin is None:
        raise RuntimeError("the guard process was started without a pipe")
    return _guard.stdin


def _end_guard() -> None:
    """Let the guard end what is still held, and wait for it, when this process ends in order."""
    if _guard is not None:
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            _guard.communicate(timeout=2 * _GRACE_SECONDS)


def watch(pipe: IO[bytes]) -> set[int]:
    """Read adoptions and releases until end-of-file; return the groups that are left."""
    groups: set[int] = set()
    for line in pipe:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def end_groups(groups: set[int], grace_seconds: float = _GRACE_SECONDS) -> None:
    """End process groups: SIGTERM, and SIGKILL for what is left after the grace."""
    deadline = time.monotonic() + grace_seconds
    # A stopped (paused) process takes its SIGTERM only once it is continued.
    alive = {group for group in groups if _signal(group, signal.SIGTERM)}
    alive = {group for group in alive if _signal(group, signal.SIGCONT)}
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = {group for group in alive if _signal(group, 0)}
    for group in alive:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    for _ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(_ignored, signal.SIG_IGN)
    end_groups(watch(sys.stdin.buffer))
