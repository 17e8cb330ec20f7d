"""Filling windows without a candle, so that every product has a row a window."""

import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_features.reading.frames import TIME
from ohlc_features.schema import HISTORY_KEY

_PRODUCT = ("exchange", "product_id", "candle_interval")
_PRICES = ("open", "high", "low", "close", "vwap")
_COUNTS = ("volume", "buy_volume", "trade_count", "revision")


def fill_grid(candles: pl.DataFrame, interval: str, end_ms: int | None = None) -> pl.DataFrame:
    """Return ``candles`` of one interval with a flat row in every window that has none.

    A flat row is the aggregator's own with EMPTY_CANDLES=fill: every price is the close before
    it, volumes and trade_count are 0, ids are null. The column ``filled`` tells these rows from
    read ones: a window is also without a row when its candle was incomplete and not stored.

    Each product's grid runs from its first row to its last, or to the last window that starts
    before ``end_ms``. There is no row before the first: nothing was known then.
    """
    step_ms = Interval.parse(interval).us // 1_000
    grid = _grid(candles, step_ms, end_ms)
    joined = grid.join(candles, on=list(HISTORY_KEY), how="left", maintain_order="left")
    known_close = pl.col("close").forward_fill().over(_PRODUCT)
    filled = pl.col("close").is_null()
    return joined.with_columns(
        filled.alias("filled"),
        (pl.col("window_start") + pl.duration(milliseconds=step_ms)).alias("window_end"),
        *(pl.coalesce(price, known_close).alias(price) for price in _PRICES),
        *(pl.col(name).fill_null(0) for name in ("volume", "trade_count", "revision")),
        # Null where sides are unknown; only a window without trades surely had no buyers.
        pl.when(filled).then(0.0).otherwise(pl.col("buy_volume")).alias("buy_volume"),
        pl.col("complete").fill_null(value=True),
    ).select(*candles.columns, "filled")


def _grid(candles: pl.DataFrame, step_ms: int, end_ms: int | None) -> pl.DataFrame:
    start = pl.col("window_start").cast(pl.Int64)
    last = start.max() if end_ms is None else pl.lit(end_ms - 1) // step_ms * step_ms
    return (
        candles.group_by(_PRODUCT, maintain_order=True)
        .agg(pl.int_range(start.min(), last + step_ms, step_ms).alias("window_start"))
        .explode("window_start", empty_as_null=False)
        .with_columns(pl.col("window_start").cast(TIME))
    )
