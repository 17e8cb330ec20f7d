from datetime import UTC, datetime

import pytest

from ohlc_core.domain.interval import Interval
from support.candles import HOUR, T0, Driver, rules, trade

DAY = 24 * HOUR
WEEK = 7 * DAY


def weekday(start_us: int) -> str:
    return datetime.fromtimestamp(start_us / 1e6, UTC).strftime("%A %H:%M")


@pytest.mark.parametrize(("text", "day"), [("1w", "Thursday 00:00"), ("1w@monday", "Monday 00:00")])
@pytest.mark.parametrize("moment", [0, T0, T0 + 3 * DAY + HOUR, 5 * DAY - 1])
def test_weeks_begin_on_their_day(text: str, day: str, moment: int) -> None:
    interval = Interval.parse(text)
    start = interval.window_start(moment)
    assert weekday(start) == day
    assert start <= moment < start + WEEK
    assert interval.first_start(start) == start
    assert interval.first_start(start + 1) == start + WEEK


@pytest.mark.parametrize("text", ["2w@monday", "1d@monday", "1w@sunday", "1W@monday"])
def test_only_weeks_begin_on_mondays(text: str) -> None:
    with pytest.raises(ValueError, match="interval was"):
        Interval.parse(text)


def test_weeks_of_both_kinds_are_made_in_one_pass() -> None:
    driver = Driver(rules("1h", "1w", "1w@monday"))
    begin = Interval.parse("1w@monday").first_start(T0)
    driver.start(begin - WEEK)
    driver.trades(*(trade(n + 1, begin + n * 6 * HOUR) for n in range(64)))
    driver.watermark(begin + 3 * WEEK, final=True)
    weeks = [each for each in driver.output.candles if each.interval == "1w@monday"]
    assert [weekday(each.window_start_ms * 1_000) for each in weeks] == ["Monday 00:00"] * 3
    assert [each.trade_count for each in weeks] == [28, 28, 8]
    thursdays = [each for each in driver.output.candles if each.interval == "1w"]
    assert {weekday(each.window_start_ms * 1_000) for each in thursdays} == {"Thursday 00:00"}
    assert sum(each.trade_count for each in thursdays) == 64
