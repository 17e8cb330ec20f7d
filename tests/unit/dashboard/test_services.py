"""Services as the dashboard sees them: quantiles of freshness, rates, silence."""

import pytest

from dashboard.services import Watched

_TEXT = """\
# TYPE ohlc_close_delay_seconds histogram
ohlc_close_delay_seconds_bucket{{le="1.0"}} {one}
ohlc_close_delay_seconds_bucket{{le="2.0"}} {two}
ohlc_close_delay_seconds_bucket{{le="+Inf"}} {two}
# TYPE ohlc_trades_read_total counter
ohlc_trades_read_total {trades}
"""


def test_freshness_is_of_what_came_within_the_window_and_rates_are_per_second() -> None:
    watched = Watched("ohlc-aggregator", "http://127.0.0.1:1")
    watched.note_metrics(_TEXT.format(one=1_000, two=1_000, trades=100), 100.0)
    watched.note_metrics(_TEXT.format(one=1_000, two=1_100, trades=150), 110.0)
    found = watched.freshness()["window's end to candle"]
    assert found["p50"] == pytest.approx(1.5)
    assert watched.rates["ohlc_trades_read_total"] == pytest.approx(5)


def test_service_that_missed_two_polls_is_away_in_words() -> None:
    watched = Watched("trade-producer", "http://127.0.0.1:1")
    watched.answered_at = 1_000_000_000.0
    assert watched.row(1_000_000_001.0)["alive"]
    row = watched.row(1_000_000_003.0)
    assert row["state"] == "away"
    assert row["message"] == "trade-producer has not answered since 01:46:40 UTC (3 s)"
