"""An exchange's ids that begin again, and a stream that starts again."""

import time

import pytest

from ohlc_core.domain.candle import Candle
from support.candles import HOUR, MINUTE, SECOND, T0, Driver, newest, rules, trade

MS = 1_000
Row = tuple[int, object, object, bool]


def _rows(candles: list[Candle], interval: str = "1m") -> list[Row]:
    found = sorted(newest(candles).items())
    return [
        (c.trade_count, c.open, c.close, c.complete) for (each, _), c in found if each == interval
    ]


def test_trades_count_after_ids_began_again_at_1() -> None:
    driver = Driver(rules("1m"))
    driver.start(T0)
    driver.trades(*(trade(n, T0 + n * SECOND, str(n)) for n in range(1, 4)))
    driver.restart()
    driver.start(T0 + 2 * MINUTE)
    driver.trades(*(trade(n, T0 + 2 * MINUTE + n, str(10 * n)) for n in range(1, 40)))
    driver.restart()
    driver.trades(*(trade(n, T0 + 3 * MINUTE + n, str(10 * n)) for n in range(40, 42)))
    driver.watermark(T0 + HOUR)
    assert driver.output.duplicates == 0
    assert _rows(driver.output.candles) == [
        (3, 1, 3, False),
        (39, 10, 390, True),
        (2, 400, 410, True),
    ]


def test_window_that_ids_begin_again_in_opens_and_closes_by_time() -> None:
    driver = Driver(rules("1m", fill=True))
    driver.start(T0)
    driver.trades(trade(500, T0 + 1, "5"), trade(501, T0 + 2, "6"))
    driver.start(T0 + 10 * SECOND)
    driver.trades(trade(1, T0 + 10 * SECOND, "7"), trade(2, T0 + 20 * SECOND, "8"))
    driver.watermark(T0 + 3 * MINUTE)
    assert _rows(driver.output.candles) == [(4, 5, 8, False), (0, 8, 8, True)]


def test_each_id_counts_once_in_either_series() -> None:
    driver = Driver(rules("1m"))
    first = [trade(n, T0 + n) for n in (1, 2)]
    later = [trade(n, T0 + MINUTE + n) for n in (1, 2)]
    driver.trades(*first)
    driver.start(T0 + MINUTE)
    driver.trades(*later, *first, *later)
    driver.start(T0 + MINUTE)
    driver.trades(*later)
    assert driver.output.duplicates == 6
    driver.watermark(T0 + HOUR)
    assert [row[0] for row in _rows(driver.output.candles)] == [2, 2]


def test_start_behind_event_time_cuts_the_window_it_lies_in() -> None:
    driver = Driver(rules("1m", "1h"))
    driver.start(T0)
    driver.trades(trade(1, T0), trade(2, T0 + 2 * MINUTE + 30 * SECOND))
    driver.start(T0 + 2 * MINUTE + 10 * SECOND)
    driver.trades(trade(3, T0 + 3 * MINUTE))
    driver.watermark(T0 + 2 * HOUR)
    assert [row[3] for row in _rows(driver.output.candles)] == [True, False, True]
    assert [row[3] for row in _rows(driver.output.candles, "1h")] == [False]


def test_start_on_a_boundary_behind_event_time_cuts_nothing() -> None:
    driver = Driver(rules("1m"))
    driver.start(T0)
    driver.trades(trade(1, T0), trade(2, T0 + 2 * MINUTE + 30 * SECOND))
    driver.start(T0 + 2 * MINUTE)
    driver.watermark(T0 + HOUR)
    assert [row[3] for row in _rows(driver.output.candles)] == [True, True]


def test_start_behind_closed_windows_gives_the_one_it_cuts_a_revision() -> None:
    driver = Driver(rules("1m"))
    driver.start(T0)
    driver.trades(trade(1, T0), trade(2, T0 + 3 * MINUTE))
    (candle,) = driver.start(T0 + 1)
    assert (candle.revision, candle.complete) == (1, False)


def test_trade_an_hour_ahead_closes_no_window_of_true_trades() -> None:
    driver = Driver(rules("1s", fill=True))
    driver.start(T0)
    now = T0 + 10 * SECOND
    ahead = trade(5, now + HOUR, "7")
    driver._took(driver.product.on_trades([trade(4, now), ahead], now + HOUR, now + 5 * SECOND))
    assert driver.output.candles == []  # event time stands at the true trade
    for n in range(1_000):
        us = now + (5 + n) * SECOND
        trades = [trade(6 + n, us)]
        driver._took(driver.product.on_trades(trades, us + HOUR, us + 5 * SECOND))
    late = [c for c in driver.output.candles if c.complete and c.revision]
    assert late == []
    # Where trades are missing now, the true trades' windows are meant, not those an hour ahead.
    driver.gap(1_006, 1_007)
    us = now + 1_100 * SECOND
    driver._took(driver.product.on_trades([trade(1_008, us)], us + HOUR, us + 5 * SECOND))
    driver.watermark(us + MINUTE)
    by_start = {c.window_start_ms: c for c in driver.output.candles}
    assert not by_start[(us - 50 * SECOND) // MS].complete


@pytest.mark.parametrize("kind", ["each", "all", "behind", "ahead", "start"])
def test_thousands_of_gaps_take_time_in_proportion(kind: str) -> None:
    driver = Driver(rules("1s", "1m", fill=True))
    driver.start(T0)
    begin = time.process_time()
    for n in range(3_000):
        driver.trades(*() if kind == "all" else (trade(2 * n, T0 + n * SECOND // 2),))
        if kind == "start":
            driver.start(T0 + n * SECOND // 10)
        elif kind == "ahead":
            driver.gap(10**6 + n, 10**6 + n)
        elif kind != "behind":
            driver.gap(2 * n + 1, 2 * n + 1)
    for n in range(3_000 if kind == "behind" else 0):
        driver.gap(2 * n + 1, 2 * n + 1)
    driver.product.save()
    assert time.process_time() - begin < 5  # quadratic, it took tens of seconds
