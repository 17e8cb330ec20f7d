"""The as-of join and the grid against the plainest computation of the same."""

from datetime import timedelta
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_features.reading.as_of import KNOWN_AT, join_as_of
from ohlc_features.reading.frames import feature_frame
from ohlc_features.reading.grid import fill_grid
from ohlc_features.schema import COLUMNS, feature_row
from support.candle_records import MONDAY_MS, candle

_MINUTE = 60_000
_DELAY_MS = 2_000
_windows = st.dictionaries(
    st.tuples(st.sampled_from("AB"), st.integers(0, 12)), st.integers(1, 99), max_size=16
)


def _frame(windows: dict[tuple[str, int], int]) -> pl.DataFrame:
    rows = [
        feature_row(candle(n, product_id=product, close=str(close)))
        for (product, n), close in windows.items()
    ]
    return feature_frame(pl.DataFrame(rows, schema=list(COLUMNS), orient="row"))


@settings(max_examples=150, deadline=None)
@given(
    _windows.filter(bool),
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 14 * _MINUTE)), max_size=12),
    st.none() | st.integers(0, 5 * _MINUTE),
)
def test_label_sees_the_newest_candle_that_had_ended_and_no_later_one(
    windows: dict[tuple[str, int], int], asked: list[tuple[str, int]], age_ms: int | None
) -> None:
    labels = pl.DataFrame(
        {
            "product_id": [product for product, _ in asked],
            "time": [MONDAY_MS + offset for _, offset in asked],
        },
        schema={"product_id": pl.String, "time": pl.Int64},
    )
    max_age = None if age_ms is None else timedelta(milliseconds=age_ms)
    known_at = (pl.col("window_end") + pl.duration(milliseconds=_DELAY_MS)).alias(KNOWN_AT)
    candles = _frame(windows).select("product_id", "window_end", "close", known_at)
    joined = join_as_of(labels, candles, "time", max_age)

    def known(product: str, offset: int) -> int | None:
        ended = [
            n
            for (of, n) in windows
            if of == product
            and (n + 1) * _MINUTE + _DELAY_MS <= offset
            and (age_ms is None or offset - (n + 1) * _MINUTE <= age_ms)
        ]
        return windows[(product, max(ended))] if ended else None

    assert joined["close"].to_list() == [known(*each) for each in asked]


@settings(max_examples=150, deadline=None)
@given(_windows)
def test_grid_has_every_window_once_and_read_rows_unchanged(
    windows: dict[tuple[str, int], int],
) -> None:
    candles = _frame(windows)
    filled = fill_grid(candles, "1m")
    assert filled.filter(~pl.col("filled")).drop("filled").equals(candles)
    for (product,), rows in filled.group_by("product_id"):
        of_product = {n: close for (of, n), close in windows.items() if of == product}
        first, last = min(of_product), max(of_product)
        expected, close = [], Decimal(0)
        for n in range(first, last + 1):
            close = Decimal(of_product.get(n, close))
            expected.append(float(close))
        assert rows["close"].to_list() == expected
        assert rows["window_start"].cast(pl.Int64).diff().drop_nulls().to_list() == [_MINUTE] * (
            last - first
        )
