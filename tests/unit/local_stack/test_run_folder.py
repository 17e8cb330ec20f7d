"""A run's folder belongs to one run at a time, until all its processes are gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.errors import StackError
from local_stack.run_folder import RunFolder
from ohlc_core.service.local_runs import running_stacks

_HOLDER = """
import sys, time
from pathlib import Path
from local_stack.processes import ManagedProcess
from local_stack.run_folder import RunFolder
from ohlc_core.service.local_runs import running_stacks
folder = RunFolder(Path(sys.argv[1]), "demo")
folder.acquire()
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
child += "; time.sleep(600)"
ManagedProcess("child", [sys.executable, "-c", child], folder.logs / "child.log").start()
while not (folder.logs / "child.log").read_text():
    time.sleep(0.01)
print("holds it", flush=True)
time.sleep(600)
"""


def _holder(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _HOLDER, str(root)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holds it\n"
    return holder


def _take(folder: RunFolder, patience_seconds: float) -> None:
    folder.acquire(patience_seconds)
    folder.release()


def test_two_runs_can_not_use_one_folder(tmp_path: Path) -> None:
    with _holder(tmp_path) as holder:
        with pytest.raises(StackError, match=r"another run holds .*/demo; stop it"):
            RunFolder(tmp_path, "demo").acquire(patience_seconds=0.3)
        _take(RunFolder(tmp_path, "run"), patience_seconds=0)
        holder.kill()


def test_a_killed_runs_folder_is_free_once_its_children_are_gone(tmp_path: Path) -> None:
    with _holder(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
    with pytest.raises(StackError):
        RunFolder(tmp_path, "demo").acquire(patience_seconds=0)
    _take(RunFolder(tmp_path, "demo"), patience_seconds=30)


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StackError, match=r"cannot write the run folder .*LOCAL_STACK_FOLDER"):
        RunFolder(tmp_path / "run", "demo").acquire()


def test_only_runs_that_go_on_are_found(tmp_path: Path) -> None:
    for name in ("demo", "run"):
        folder = RunFolder(tmp_path, name)
        _take(folder, patience_seconds=0)
        folder.publish({"mode": name, "broker": "127.0.0.1:1"})
    gone = tmp_path / "debug"
    gone.mkdir()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    (gone / "stack.json").write_text(f'{{"pid": {ended.pid}, "mode": "debug"}}')
    RunFolder(tmp_path, "demo").withdraw()
    assert [(each["mode"], each["pid"]) for each in running_stacks(tmp_path)] == [
        ("run", os.getpid())
    ]
