"""A service that hangs ends itself, and no other does."""

import threading

import pytest

from ohlc_core.service.health import Health
from ohlc_core.service.watchdog import Watchdog


class World:
    """A watchdog with a clock moved by hand; what it ended with is kept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ended: list[str] = []
        self.stop = threading.Event()
        self.health = Health(lambda: self.now)
        self.watchdog = Watchdog(self.health, self.stop, lambda: self.now, self.ended.append)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.watchdog.look()


@pytest.fixture
def world() -> World:
    return World()


def test_hanging_part_ends_the_process_in_one_line(world: World) -> None:
    world.health.expect("broker", 10, ends_after_seconds=60)
    world.pass_seconds(60)
    assert world.ended == []
    world.pass_seconds(10)
    assert "no progress of broker for" in world.ended[0]
    assert "\n" not in world.ended[0]


def test_part_that_moves_never_ends_the_process(world: World) -> None:
    world.health.expect("broker", 10, ends_after_seconds=60)
    for _ in range(10):
        world.pass_seconds(50)
        world.health.progress("broker")
    assert world.ended == []


def test_part_whose_peer_is_away_waits_for_it(world: World) -> None:
    world.health.expect("broker", 10, ends_after_seconds=60, peer_answers=lambda: False)
    world.pass_seconds(600)
    assert world.ended == []


def test_part_without_an_end_only_becomes_unhealthy(world: World) -> None:
    world.health.expect("exchange", 10)
    world.pass_seconds(600)
    assert world.ended == []
    assert not world.health.report()[0]


def test_process_that_was_frozen_gets_time_to_move(world: World) -> None:
    world.health.expect("loop", 10, ends_after_seconds=60)
    world.now += 3_600
    world.watchdog.look()
    world.health.progress("loop")
    world.pass_seconds(30)
    assert world.ended == []


def test_stop_that_is_not_obeyed_ends_the_process(world: World) -> None:
    world.stop.set()
    world.pass_seconds(28)
    assert world.ended == []
    world.pass_seconds(1)
    assert "asked to stop" in world.ended[0]
