"""Trade producers as real processes that start fast: forked from a process that imported them.

Each is a process of its own, to be killed with SIGKILL like any other.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

_PRELOADED = ["trade_producer.main", "support.producer_process"]


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


class ForkedProducer:
    """One ``trade-producer`` process with only the given settings; its log is a file."""

    def __init__(self, env: Mapping[str, str], folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / f"{name}.log"
        self._process: ForkServerProcess = _context().Process(
            target=_run, args=(dict(env), folder, self.log_file), name=name, daemon=True
        )

    def start(self) -> None:
        """Start it."""
        self._process.start()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.join(10)

    def stop(self, timeout: float = 40.0) -> int | None:
        """End it with SIGTERM; return its exit code, None when it did not end in time."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self.kill()
        return code

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def log(self) -> str:
        """Return its whole log."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


def _run(env: dict[str, str], folder: Path, log_file: Path) -> None:
    """Become a trade producer."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    os.environ.clear()
    os.environ.update(kept | env)
    os.chdir(folder)
    log = os.open(log_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["trade-producer"]
    from trade_producer.main import main

    main()
