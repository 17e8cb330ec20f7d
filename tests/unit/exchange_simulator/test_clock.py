import math

from exchange_simulator.market.clock import SimulatedClock


class Real:
    def __init__(self) -> None:
        self.ns = 1_000

    def __call__(self) -> int:
        return self.ns


def test_clock_runs_at_its_speed() -> None:
    real = Real()
    clock = SimulatedClock(500, 10, real)
    real.ns += 7
    assert clock.now_ns() == 570


def test_clock_never_passes_its_ceiling_and_goes_on_with_it() -> None:
    real, wall = Real(), Real()
    clock = SimulatedClock(900, 10, real, ceiling_ns=wall)
    real.ns += 50
    wall.ns += 50
    assert clock.now_ns() == wall.ns
    wall.ns += 5
    assert clock.now_ns() == wall.ns


def test_a_fast_clock_started_in_the_past_is_never_in_the_future() -> None:
    real, wall = Real(), Real()
    clock = SimulatedClock(wall.ns - 100, 3, real, ceiling_ns=wall)
    for _ in range(100):
        real.ns += 1
        wall.ns += 1
        assert clock.now_ns() <= wall.ns
    clock.advance(10**9)
    assert clock.now_ns() == wall.ns


def test_paused_clock_stands_and_resumes_where_it_stood() -> None:
    real = Real()
    clock = SimulatedClock(0, 1, real)
    real.ns += 10
    clock.pause()
    real.ns += 1_000
    assert clock.now_ns() == 10
    clock.advance(5)
    assert clock.now_ns() == 15
    clock.resume()
    real.ns += 1
    assert clock.now_ns() == 16


def test_driven_clock_moves_only_by_jumps_and_never_back() -> None:
    real = Real()
    clock = SimulatedClock(100, math.inf, real)
    real.ns += 50
    assert clock.now_ns() == 100
    clock.jump_to(300)
    clock.jump_to(200)
    assert clock.now_ns() == 300
    clock.run_at(1)
    real.ns += 4
    assert clock.now_ns() == 304


def test_clock_made_paused_stands_at_its_start_until_resumed() -> None:
    real = Real()
    clock = SimulatedClock(500, 10, real, paused=True)
    real.ns += 7
    assert clock.now_ns() == 500
    clock.resume()
    real.ns += 2
    assert clock.now_ns() == 520
