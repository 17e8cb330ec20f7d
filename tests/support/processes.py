"""Console scripts of this project as real processes."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from local_stack.processes import ManagedProcess
from support.wait import wait_until

#: What a service may take from the tester's own environment; anything else would be luck.
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "XDG_CACHE_HOME")


def script_path(script: str, bin_folder: Path | None = None) -> str:
    """Return the path of a console script of the environment the tests run in, or of another."""
    beside = (bin_folder or Path(sys.executable).parent) / script
    found = str(beside) if beside.exists() else shutil.which(script)
    if found is None:
        raise AssertionError(f"the console script {script} is not installed; pip install -e .")
    return found


class Script(ManagedProcess):
    """A console script with its own log; see `ManagedProcess` for stop, kill, wait, pause."""

    def wait_for_log(self, text: str, timeout: float = 30.0) -> str:
        """Wait until a line of the log holds ``text`` and return that line."""

        def line() -> str | None:
            found = next((line for line in self.log_lines() if text in line), None)
            if found is None and not self.is_running:
                raise AssertionError(f"{self.name} ended before logging {text!r}:\n{self.log()}")
            return found

        found = wait_until(line, timeout, f"{text!r} in the log of {self.name}")
        assert found is not None
        return found

    def log(self) -> str:
        """Return its whole output so far."""
        return "\n".join(self.log_lines())


#: The type of the fixture ``processes``: ``processes(script, env=None, args=())``.
Processes = Callable[..., Script]


def passed_on() -> dict[str, str]:
    """Return what a service takes from the tester's environment."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def start_script(
    script: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
    args: tuple[str, ...] = (),
    bin_folder: Path | None = None,
) -> Script:
    """Start ``script`` in ``folder`` with only ``env`` as settings; its log is in the folder.

    ``bin_folder`` holds the scripts of another version than the one under test.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob(f"{script}*.log")))
    process = Script(
        script,
        [script_path(script, bin_folder), *args],
        folder / f"{script}-{number}.log",
        env={**passed_on(), "PYTHONUNBUFFERED": "1", **(env or {})},
        cwd=folder,
    )
    process.start()
    return process
