import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from ohlc_backfill.verification.official import Agreement, agreement
from ohlc_backfill.verification.stored import StoredCandles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import ExchangeUnavailableError, Request, Response
from ohlc_features.reading.source import Span
from ohlc_features.schema import FeatureRow

MINUTE_MS = 60_000
T0 = 1_762_777_140_000


def row(start: int = T0, **changes: Any) -> FeatureRow:
    values = FeatureRow(
        "x", "BTC/USD", "1m", start, start + MINUTE_MS,
        100.0, 103.0, 99.5, 101.0, 0.5, 100.69999, 0.25, 3, "1", "3", True, 0,
    )  # fmt: skip
    return values._replace(**changes)


class OneProduct:
    """A store of these rows."""

    def __init__(self, *rows: FeatureRow) -> None:
        self.rows = rows

    def between(self, _key: ProductKey, _text: str, from_ms: int, to_ms: int) -> list[FeatureRow]:
        return [each for each in self.rows if from_ms <= each.window_start < to_ms]


def answer(body: object) -> Callable[[Request], Response]:
    return lambda _request: Response(200, {}, json.dumps(body).encode())


def agreed(
    exchange: str, fetch: Callable[[Request], Response], *rows: FeatureRow, interval: str = "1m"
) -> Agreement:
    stored = cast("StoredCandles", OneProduct(*rows))
    key = ProductKey(exchange, "BTC/USD")
    period = Span(T0, T0 + 10 * MINUTE_MS)
    return agreement(stored, key, Interval.parse(interval), period, fetch)


def kraken(*rows: list[object]) -> Callable[[Request], Response]:
    last = T0 // 1_000 + 60
    return answer({"error": [], "result": {"XXBTZUSD": [*rows], "last": last}})


KRAKEN = [T0 // 1_000, "100.0", "103.0", "99.5", "101.0", "100.6", "0.50000000", 3]


def test_window_in_gap_that_the_store_lacks_is_no_difference() -> None:
    stored = cast("StoredCandles", OneProduct())
    found = agreement(
        stored,
        ProductKey("kraken", "BTC/USD"),
        Interval.parse("1m"),
        Span(T0, T0 + 10 * MINUTE_MS),
        kraken(KRAKEN),
        is_judged=lambda start_us, end_us: not start_us <= T0 * 1_000 < end_us,
    )
    assert (found.compared, found.equal, found.in_gaps, found.note) == (0, 0, 1, "")


def test_krakens_vwap_is_cut_not_rounded() -> None:
    found = agreed("kraken", kraken(KRAKEN), row())
    assert (found.compared, found.equal, found.note) == (1, 1, "")
    rounded = [*KRAKEN[:5], "100.7", *KRAKEN[6:]]
    assert agreed("kraken", kraken(rounded), row()).largest_difference == {
        "vwap": pytest.approx(0.00001)
    }


def test_krakens_flat_candles_are_windows_without_rows() -> None:
    flat = [T0 // 1_000 + 60, "101.0", "101.0", "101.0", "101.0", "0.0", "0.00000000", 0]
    found = agreed("kraken", kraken(KRAKEN, flat), row())
    assert (found.compared, found.equal) == (1, 1)


def test_a_candle_the_store_lacks_is_a_disagreement() -> None:
    found = agreed("kraken", kraken(KRAKEN))
    assert (found.compared, found.equal) == (1, 0)


def test_krakens_newest_candle_is_not_final_yet() -> None:
    coming = [T0 // 1_000 + 120, "1.0", "1.0", "1.0", "1.0", "1.0", "1.00000000", 1]
    assert agreed("kraken", kraken(KRAKEN, coming), row()).compared == 1


def test_a_differing_column_is_reported_with_its_size() -> None:
    found = agreed("kraken", kraken(KRAKEN), row(high=104.0, trade_count=5))
    assert (found.compared, found.equal) == (1, 0)
    assert found.largest_difference == {"high": 1.0, "trade_count": 2.0}


def test_coinbase_gives_low_before_high_before_open_newest_first() -> None:
    body = [
        [T0 // 1_000 + 60, 1, 2, 1.5, 1.7, 9],
        [T0 // 1_000, 99.5, 103, 100, 101, 0.5],
    ]
    found = agreed("coinbase", answer(body), row())
    assert (found.compared, found.equal) == (2, 1)


def test_binance_gives_the_takers_buys() -> None:
    kline = [T0, "100.0", "103.0", "99.5", "101.0", "0.5", T0 + 59_999, "50", 3, "0.25", "25", "0"]

    def fetch(request: Request) -> Response:
        assert request.params["symbol"] == "BTCUSD"
        rows = [kline] if int(request.params["startTime"]) <= T0 else []
        return Response(200, {}, json.dumps(rows).encode())

    assert agreed("binance", fetch, row()).equal == 1
    other = agreed("binance", fetch, row(buy_volume=0.5))
    assert other.largest_difference == {"buy_volume": 0.25}


@pytest.mark.parametrize(
    ("exchange", "interval", "note"),
    [
        ("bitstamp", "1m", "bitstamp candles are not compared"),
        ("kraken", "7m", "Kraken has no candles of 7m"),
        ("coinbase", "30m", "Coinbase has no candles of 30m"),
        ("binance", "7m", "Binance has no candles of 7m"),
    ],
)
def test_what_is_not_compared_says_why(exchange: str, interval: str, note: str) -> None:
    found = agreed(exchange, answer([]), row(), interval=interval)
    assert note in found.note
    assert found.compared == 0


def test_an_exchange_that_does_not_answer_is_no_mismatch() -> None:
    def fetch(_request: Request) -> Response:
        raise ExchangeUnavailableError("EService:Unavailable")

    assert "EService:Unavailable" in agreed("kraken", fetch, row()).note
