"""Filling windows without a candle, so that every product has a row a window."""

import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_features.reading.frames import TIME
from ohlc_features.schema import HISTORY_KEY, ONLINE_KEY, SCHEMA_COLUMNS, Column, Fill


def fill_grid(candles: pl.DataFrame, interval: str, end_ms: int | None = None) -> pl.DataFrame:
    """Return ``candles`` of one interval with a flat row in every window that has none.

    A flat row is the aggregator's own with EMPTY_CANDLES=fill: every price is the close before
    it, volumes and trade_count are 0, ids are null. The column ``filled`` marks these rows: a
    window is also without a row when its candle was incomplete.

    Each product's grid runs from its first row to its last, or to the last window that starts
    before ``end_ms``. There is no row before the first: nothing was known then.
    """
    windows = Interval.parse(interval)
    step_ms = windows.us // 1_000
    last_ms = None if end_ms is None else windows.window_start((end_ms - 1) * 1_000) // 1_000
    grid = _grid(candles, step_ms, last_ms)
    marked = candles.with_columns(filled=pl.lit(value=False))
    joined = grid.join(marked, on=list(HISTORY_KEY), how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("filled").fill_null(value=True),
        *(
            pl.when(pl.col("filled").is_null())
            .then(_filling(column, step_ms))
            .otherwise(pl.col(column.name))
            .alias(column.name)
            for column in SCHEMA_COLUMNS
            if column.about.fill not in (Fill.KEY, Fill.NULL)
        ),
    ).select(*candles.columns, "filled")


def _filling(column: Column, step_ms: int) -> pl.Expr:
    fill = column.about.fill
    if fill is Fill.WINDOW_END:
        return pl.col("window_start") + pl.duration(milliseconds=step_ms)
    if fill is Fill.LAST_CLOSE:
        return pl.col("close").forward_fill().over(ONLINE_KEY)
    return pl.lit(value=True) if fill is Fill.TRUE else pl.lit(0)


def _grid(candles: pl.DataFrame, step_ms: int, last_ms: int | None) -> pl.DataFrame:
    start = pl.col("window_start").cast(pl.Int64)
    last = start.max() if last_ms is None else pl.lit(last_ms)
    return (
        candles.group_by(ONLINE_KEY, maintain_order=True)
        .agg(pl.int_range(start.min(), last + step_ms, step_ms).alias("window_start"))
        .explode("window_start", empty_as_null=False)
        .with_columns(pl.col("window_start").cast(TIME))
    )
