import io
import threading

import pytest
from loguru import logger

from ohlc_core.domain.trade import ProductKey
from trade_replayer import progress
from trade_replayer.progress import ProductProgress, shown, time_left

KEY = ProductKey("kraken", "BTC/USD")
DAY = 86_400_000_000


def product(at_us: int = 0) -> ProductProgress:
    return ProductProgress(KEY, 0, 4 * DAY, at_us=at_us)


def test_the_fraction_is_of_the_period_in_event_time() -> None:
    assert product().fraction == 0.0
    assert product(at_us=DAY).fraction == 0.25
    assert product(at_us=DAY).days == "1.0/4.0 days"
    assert product(at_us=9 * DAY).fraction == 1.0


def test_a_product_that_is_done_is_whole_even_without_trades() -> None:
    done = product()
    done.is_done = True
    assert done.fraction == 1.0


def test_a_period_that_is_not_known_yet_has_no_fraction() -> None:
    unknown = ProductProgress(KEY, None, DAY)
    assert (unknown.fraction, unknown.days) == (0.0, "-")


@pytest.mark.parametrize(
    ("fraction", "seconds", "left"),
    [(0.5, 60, "0:01:00"), (0.25, 3_600, "3:00:00"), (1.0, 5, "0:00:00"), (0.0, 5, "?")],
)
def test_the_time_left(fraction: float, seconds: float, left: str) -> None:
    assert time_left(fraction, seconds) == left


def test_time_left_of_resumed_replay_counts_only_what_this_run_did() -> None:
    resumed = product()
    resumed.resume(resumed.to_us // 2)
    assert (resumed.fraction, resumed.begun_fraction) == (0.5, 0.5)
    assert time_left(resumed.fraction, 5, resumed.begun_fraction) == "?"
    resumed.at_us = resumed.to_us // 4 * 3
    assert time_left(resumed.fraction, 60, resumed.begun_fraction) == "0:01:00"


def test_lines_tell_products_rate_waits_and_candles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.01)
    waiting = product(at_us=DAY)
    waiting.trades, waiting.note = 1_234, "12 s, EGeneral:Too many requests"
    lines = io.StringIO()
    printed = threading.Event()

    def sink(message: str) -> None:
        lines.write(message)
        if "candles so far" in message:
            printed.set()

    handler = logger.add(sink, format="{message}")
    try:
        with shown([waiting], lambda: 56):
            assert printed.wait(10)
    finally:
        logger.remove(handler)
    text = lines.getvalue()
    assert "kraken:BTC/USD: 1.0/4.0 days, 1,234 trades" in text
    assert "waiting: 12 s, EGeneral:Too many requests" in text
    assert "56 candles so far" in text
