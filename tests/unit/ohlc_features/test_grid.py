"""Filled windows are flat at the close before them, and marked apart from read ones."""

from collections.abc import Callable
from decimal import Decimal

import polars as pl

from ohlc_features.reading import FeatureReader
from ohlc_features.schema import CANDLE_COLUMNS
from support.candle_records import MONDAY_MS, candle

Stored = Callable[..., FeatureReader]


def _rows(frame: pl.DataFrame) -> list[tuple[int, float, bool]]:
    starts = (frame["window_start"].cast(pl.Int64) - MONDAY_MS) // 60_000
    return list(zip(starts, frame["close"], frame["filled"], strict=True))


def test_missing_windows_are_flat_at_the_close_before_them(stored: Stored) -> None:
    reader = stored(candle(0, close="5"), candle(3, close="7"))
    frame = reader.candles("kraken", "BTC/USD", "1m", fill_gaps=True)
    assert _rows(frame) == [(0, 5, False), (1, 5, True), (2, 5, True), (3, 7, False)]
    flat = frame.row(1, named=True)
    assert [flat[n] for n in ("open", "high", "low", "close", "vwap")] == [5] * 5
    assert [flat[n] for n in ("volume", "buy_volume", "trade_count")] == [0, 0, 0]
    assert (flat["first_trade_id"], flat["last_trade_id"]) == (None, None)
    assert flat["window_end"] == frame.row(2, named=True)["window_start"]


def test_filled_rows_equal_those_of_an_aggregator_that_fills(stored: Stored) -> None:
    price, nothing = Decimal(5), Decimal(0)
    flat = candle(
        1,
        close="5",
        open=price,
        high=price,
        low=price,
        vwap=price,
        volume=nothing,
        buy_volume=nothing,
        trade_count=0,
        first_trade_id=None,
        last_trade_id=None,
    )
    ends = candle(0, close="5"), candle(2, product_id="BTC/USD")
    filled_here = stored(*ends).candles("kraken", "BTC/USD", "1m", fill_gaps=True)
    filled_there = stored(*ends, flat).candles("kraken", "BTC/USD", "1m", fill_gaps=True)
    assert filled_here.select(CANDLE_COLUMNS).equals(filled_there.select(CANDLE_COLUMNS))


def test_range_is_filled_from_its_start_when_an_earlier_candle_is_known(stored: Stored) -> None:
    reader = stored(candle(0, close="5"), candle(4, close="7"))
    start, end = MONDAY_MS + 2 * 60_000, MONDAY_MS + 7 * 60_000
    frame = reader.candles("kraken", "BTC/USD", "1m", start, end, fill_gaps=True)
    assert _rows(frame) == [(2, 5, True), (3, 5, True), (4, 7, False), (5, 7, True), (6, 7, True)]


def test_nothing_is_filled_before_a_products_first_candle(stored: Stored) -> None:
    reader = stored(candle(3))
    end = MONDAY_MS + 5 * 60_000
    frame = reader.candles("kraken", "BTC/USD", "1m", MONDAY_MS, end, fill_gaps=True)
    assert [row[0] for row in _rows(frame)] == [3, 4]


def test_products_are_filled_apart(stored: Stored) -> None:
    reader = stored(
        candle(0, product_id="A", close="1"),
        candle(2, product_id="A", close="2"),
        candle(1, product_id="B", close="9"),
    )
    frame = reader.candles("kraken", None, "1m", fill_gaps=True)
    assert frame["product_id"].to_list() == ["A", "A", "A", "B"]
    assert frame["close"].to_list() == [1, 1, 2, 9]


def test_no_candles_give_an_empty_grid(stored: Stored) -> None:
    frame = stored(candle(0)).candles("kraken", "NONE", "1m", fill_gaps=True)
    assert frame.height == 0
    assert "filled" in frame.columns
