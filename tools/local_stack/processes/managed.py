"""One child process with a log file, in a process group of its own."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from local_stack.processes import reaper
from ohlc_core.errors import PipelineError

_KILL_WAIT_SECONDS = 30.0

OnScreen = Literal["nothing", "stdout", "everything"]


class ProcessDiedError(PipelineError):
    """A process ended by itself; the text names it, its exit code and the end of its log."""


class ManagedProcess:
    """A process that can be started, stopped, killed, paused and started again.

    Its output is appended to ``log_file``. A signal from the terminal (Ctrl-C) does not reach it,
    so that its owner decides the order of stopping; when its owner is gone it is ended too.

    Args:
        name: for messages.
        command: program and arguments.
        log_file: where stdout and stderr go; its folder is created.
        env: the whole environment; None takes this process's own.
        cwd: working folder; None takes this process's own.
        on_screen: what is left to go where this process's own goes, instead of into the log.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log_file: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_screen: OnScreen = "nothing",
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log_file = log_file
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._on_screen = on_screen
        self._process: subprocess.Popen[bytes] | None = None
        self._is_cleared_up = True

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        return self._started().pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self.exit_code() is None

    def start(self) -> None:
        """Start it.

        Raises:
            RuntimeError: it is already running.
            OSError: the program is not there.
        """
        if self.is_running:
            raise RuntimeError(f"{self.name} is already running")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log if self._on_screen == "nothing" else None,
                stderr=None if self._on_screen == "everything" else log,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )
        self._is_cleared_up = False
        reaper.adopt(self._process.pid)

    def exit_code(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), or None while it runs."""
        process = self._started()
        code = process.poll()
        if code is not None and not self._is_cleared_up:
            self._is_cleared_up = True
            self._clear_up(process.pid)
        return code

    def wait(self, timeout: float) -> int:
        """Wait for it to end by itself and return its exit code.

        Raises:
            TimeoutError: it still runs; the text names it and the end of its log.
        """
        try:
            self._started().wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"{self.name} did not end within {timeout:g} s; {self.log_end()}"
            ) from None
        code = self.exit_code()
        if code is None:
            raise RuntimeError(f"{self.name} was waited for and yet has no exit code")
        return code

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, timeout: float = 30.0) -> int:
        """Ask it to end (SIGTERM), kill it after ``timeout`` seconds, and return its exit code."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            return self.wait(timeout)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """End it and its children with SIGKILL and return its exit code."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self.wait(_KILL_WAIT_SECONDS)

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it keeps its sockets and says nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.signal(signal.SIGCONT)

    def check_running(self) -> None:
        """Do nothing while it runs.

        Raises:
            ProcessDiedError: it has ended.
        """
        code = self.exit_code()
        if code is not None:
            raise ProcessDiedError(f"{self.name} ended with exit code {code}; {self.log_end()}")

    def log_lines(self) -> list[str]:
        """Return what it has written so far."""
        if not self.log_file.exists():
            return []
        return self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()

    def log_end(self, lines: int = 15) -> str:
        """Return the last lines of its log, for a message."""
        last = self.log_lines()[-lines:]
        if not last:
            return f"its log {self.log_file} is empty"
        return "the last lines of its log " + "\n    ".join([f"{self.log_file}:", *last])

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process

    @staticmethod
    def _clear_up(group: int) -> None:
        # Children that it left behind would keep running without it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        reaper.release(group)
