"""A service that dies is started again, with growing waits, until that helps no more."""

import sys
from pathlib import Path

import pytest

from local_stack.processes import GaveUpError, ManagedProcess, SupervisedProcess
from support.wait import wait_until


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Service:
    """A process that ends at once with an exit code, and the clock its supervisor looks at."""

    def __init__(self, folder: Path, exit_code: int) -> None:
        code = f"print('last words', flush=True); raise SystemExit({exit_code})"
        self.process = ManagedProcess("fragile", [sys.executable, "-c", code], folder / "log")
        self.said: list[str] = []
        self.clock = Clock()
        self.supervised = SupervisedProcess(self.process, self.said.append, self.clock)
        self.process.start()

    def dies(self) -> None:
        wait_until(lambda: not self.process.is_running, 20, "the process to end")

    def restarts_after(self, seconds: float) -> None:
        self.dies()
        self.supervised.check()
        self.clock.now += seconds - 0.1
        self.supervised.check()
        assert not self.process.is_running
        self.clock.now += 0.1
        self.supervised.check()
        assert self.said[-1] == "fragile runs again"


def test_a_dead_service_is_started_again_after_growing_waits(tmp_path: Path) -> None:
    service = Service(tmp_path, exit_code=70)
    for seconds in (1.0, 2.0, 4.0, 8.0, 15.0):
        service.restarts_after(seconds)
    service.dies()
    with pytest.raises(GaveUpError, match=r"died 6 times within 120 s.*\n.*last words") as error:
        service.supervised.check()
    assert error.value.exit_code == 70


def test_deaths_long_ago_are_forgotten(tmp_path: Path) -> None:
    service = Service(tmp_path, exit_code=1)
    for _ in range(7):
        service.restarts_after(1.0)
        service.clock.now += 200
    service.dies()


def test_the_end_of_the_log_says_why_it_died(tmp_path: Path) -> None:
    service = Service(tmp_path, exit_code=1)
    service.dies()
    service.supervised.check()
    assert "ended with exit code 1, starting it again in 1 s" in service.said[0]
    assert "last words" in service.said[0]


def test_wrong_settings_are_not_tried_again(tmp_path: Path) -> None:
    service = Service(tmp_path, exit_code=2)
    service.dies()
    with pytest.raises(GaveUpError, match="wrong settings") as error:
        service.supervised.check()
    assert error.value.exit_code == 2


def test_service_that_fails_twice_in_same_words_is_given_up(tmp_path: Path) -> None:
    service = Service(tmp_path, exit_code=1)
    service.restarts_after(1.0)
    service.dies()
    with pytest.raises(GaveUpError, match=r"failed twice in the same way.*\n.*last words"):
        service.supervised.check()


def test_service_that_fails_the_same_after_working_is_started_again(tmp_path: Path) -> None:
    service = Service(tmp_path, exit_code=1)
    for seconds in (1.0, 2.0, 4.0):
        service.clock.now += 11.0
        service.restarts_after(seconds)
    service.dies()
