"""Features as Parquet, for Spark, DuckDB and lakes."""

from pathlib import Path

import polars as pl

_ONE_FILE = "candles.parquet"


def write_parquet(candles: pl.DataFrame, folder: Path) -> int:
    """Write ``<folder>/exchange=/candle_interval=/day=/...`` and return the rows written.

    The folders are Hive's, so that readers skip days they need not see. A file is whole or not
    there: it is written beside its place and moved. ``window_start`` and ``window_end`` are UTC
    timestamps.

    Raises:
        OSError: the folder can not be written.
    """
    by = ["exchange", "candle_interval", "day"]
    dated = candles.with_columns(pl.col("window_start").dt.strftime("%Y-%m-%d").alias("day"))
    for (exchange, interval, day), rows in dated.group_by(by, maintain_order=True):
        place = folder / f"exchange={exchange}" / f"candle_interval={interval}" / f"day={day}"
        place.mkdir(parents=True, exist_ok=True)
        beside = place / f".{_ONE_FILE}.part"
        rows.drop(by).write_parquet(beside, compression="zstd")
        beside.replace(place / _ONE_FILE)
    return candles.height
