"""Child processes end when asked to, at once when killed, and leave nothing of their own behind."""

import sys
from pathlib import Path

import psutil
import pytest

from local_stack.processes import ManagedProcess, ProcessDiedError
from support.wait import wait_until

_STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""
_WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
if len(sys.argv) == 1:
    time.sleep(600)
"""


def _process(folder: Path, code: str, *arguments: str) -> ManagedProcess:
    process = ManagedProcess("child", [sys.executable, "-c", code, *arguments], folder / "log")
    process.start()
    wait_until(process.log_lines, 20, "the first line of the log")
    return process


def test_what_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = _process(tmp_path, _STUBBORN)
    assert process.stop(timeout=0.2) == -9
    assert not process.is_running


def test_a_paused_process_can_be_stopped(tmp_path: Path) -> None:
    process = _process(tmp_path, "import time; print('ready', flush=True); time.sleep(600)")
    process.pause()
    assert process.stop(timeout=20) == -15


@pytest.mark.parametrize("leader_ends_first", [False, True])
def test_grandchildren_end_too(tmp_path: Path, leader_ends_first: bool) -> None:
    process = _process(tmp_path, _WITH_CHILD, *(["end"] if leader_ends_first else []))
    grandchild = psutil.Process(int(process.log_lines()[0]))
    if leader_ends_first:
        process.wait(20)
    else:
        process.kill()
    wait_until(lambda: not _runs(grandchild), 20, "the grandchild to end")


def test_a_death_is_reported_with_the_end_of_the_log(tmp_path: Path) -> None:
    process = _process(tmp_path, "print('it broke'); raise SystemExit(7)")
    process.wait(20)
    with pytest.raises(ProcessDiedError, match=r"child ended with exit code 7.*\n.*it broke"):
        process.check_running()


def test_a_wait_in_vain_is_reported_with_the_end_of_the_log(tmp_path: Path) -> None:
    process = _process(tmp_path, _STUBBORN)
    with pytest.raises(TimeoutError, match=r"child did not end within 0\.1 s.*\n.*ready"):
        process.wait(0.1)
    process.kill()


def test_it_can_be_started_again_and_its_log_goes_on(tmp_path: Path) -> None:
    process = _process(tmp_path, "print('ran')")
    process.wait(20)
    process.start()
    process.wait(20)
    assert process.log_lines() == ["ran", "ran"]


def _runs(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
