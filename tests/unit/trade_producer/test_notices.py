"""Floods: one line a minute for each kind, and a sample of dead letters."""

from collections.abc import Iterator

import pytest
from loguru import logger

from trade_producer.notices import Notices, Sampler


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []
    handler = logger.add(found.append, format="{message}")
    logger.enable("trade_producer")
    yield found
    logger.remove(handler)
    logger.disable("trade_producer")


def test_flood_of_one_kind_is_one_line_a_minute_with_a_count(lines: list[str]) -> None:
    time = Time()
    notices = Notices(time)
    for _ in range(1_000):
        notices.warn("malformed frames", "malformed frame: no JSON")
    notices.warn("refusals", "refused")
    assert [line.strip() for line in lines] == ["malformed frame: no JSON", "refused"]
    time.now = 61.0
    notices.tick()
    assert lines[-1].strip() == "malformed frames: 999 more within 61 s"
    notices.warn("malformed frames", "again")
    assert len(lines) == 3, "still the same minute's line"


def test_kind_that_ended_is_logged_at_once_when_it_comes_again(lines: list[str]) -> None:
    time = Time()
    notices = Notices(time)
    notices.warn("a", "first")
    time.now = 61.0
    notices.tick()
    notices.warn("a", "second")
    assert [line.strip() for line in lines] == ["first", "second"]


def test_sampler_passes_a_burst_and_then_one_a_second() -> None:
    time = Time()
    sampler = Sampler(3, time)
    assert [sampler.passes() for _ in range(5)] == [True, True, True, False, False]
    time.now = 1.5
    assert [sampler.passes() for _ in range(2)] == [True, False]
    time.now = 61.0
    assert [sampler.passes() for _ in range(4)] == [True, True, True, False]
