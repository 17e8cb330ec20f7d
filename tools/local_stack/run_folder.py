"""The folder of one local run: its logs, broker data and state, used by one run at a time."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import IO, Any

from local_stack.errors import StackError
from local_stack.processes import reaper
from ohlc_core.service.local_runs import RUN_RECORD, running_stacks

# A killed run's processes get some seconds to end; until then they hold the folder.
_PATIENCE_SECONDS = 20.0
_BEGUN_WITH = "settings.json"


class RunFolder:
    """``<LOCAL_STACK_FOLDER>/<name>``; hold it with `acquire` before writing into it."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.path = (root / name).absolute()
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        """Where every process has its log."""
        return self.path / "logs"

    @property
    def broker(self) -> Path:
        """Where the broker keeps its data."""
        return self.path / "broker"

    @property
    def state(self) -> Path:
        """Where the services keep their local state."""
        return self.path / "state"

    @property
    def store(self) -> Path:
        """Where a demo keeps its candles."""
        return self.path / "features.db"

    def acquire(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Take the folder for this process and its children; call it before starting any.

        Raises:
            StackError: another run holds it, or it cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            lock = (self.path / "lock").open("a")
        except OSError as error:
            raise StackError(
                f"cannot write the run folder {self.path} ({error.strerror}); "
                "set LOCAL_STACK_FOLDER to one that can be written"
            ) from None
        deadline = time.monotonic() + patience_seconds
        while not _lock(lock):
            if self._is_in_use():
                deadline = 0.0  # it goes on: waiting does not help
            if time.monotonic() > deadline:
                lock.close()
                raise StackError(
                    f"another run holds {self.path}; stop it (Ctrl-C where it runs), or set "
                    "LOCAL_STACK_FOLDER to another folder"
                )
            time.sleep(0.2)
        self._lock = lock
        # Held by the guard too, so that it is free only when all of this run's processes are gone.
        reaper.hold(lock.fileno())

    def _is_in_use(self) -> bool:
        stacks = running_stacks(self.path.parent)
        return any(stack.get("folder") == str(self.path) for stack in stacks)

    def release(self) -> None:
        """Let others have the folder, once this process's children are gone."""
        if self._lock is not None:
            reaper.let_go(self._lock.fileno())
            self._lock.close()
            self._lock = None

    def forget(self) -> None:
        """Remove what earlier runs left: broker data, state and logs."""
        self.forget_data()
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True, exist_ok=True)

    def forget_data(self) -> None:
        """Remove the broker's data, the services' state and a demo's store; the logs stay."""
        for folder in (self.broker, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        (self.path / _BEGUN_WITH).unlink(missing_ok=True)
        for part in self.path.glob(f"{self.store.name}*"):
            part.unlink(missing_ok=True)

    def settings_begun_with(self, settings: dict[str, str]) -> dict[str, str]:
        """Return the settings with which the data in the folder was begun.

        Those given are kept as such where there is no data yet.
        """
        path = self.path / _BEGUN_WITH
        try:
            begun = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
            return settings
        return begun if isinstance(begun, dict) else settings

    def publish(self, facts: dict[str, Any]) -> None:
        """Write down where things are, for `ohlc_core.service.local_runs`."""
        partial = self.path / "stack.json.partial"
        partial.write_text(
            json.dumps({"pid": os.getpid(), "folder": str(self.path), **facts}, indent=2),
            encoding="utf-8",
        )
        partial.replace(self.path / "stack.json")

    def record(self, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write down what the run is and how it stands, also for after its end."""
        record = self.path / RUN_RECORD
        partial = record.with_suffix(".partial")
        about = {"pid": os.getpid(), "at": int(time.time() * 1_000), **facts}
        partial.write_text(json.dumps(about, indent=2), encoding="utf-8")
        partial.replace(record)

    def withdraw(self) -> None:
        """Take back what was published."""
        (self.path / "stack.json").unlink(missing_ok=True)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
