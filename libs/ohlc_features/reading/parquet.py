"""Features as Parquet, for Spark, DuckDB and lakes."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from ohlc_features.reading.frames import TIME
from ohlc_features.reading.source import CandleRange

_FILE = "candles.parquet"
_KEY = ["product_id", "window_start"]


def write_parquet(candles: pl.DataFrame, folder: Path, wanted: CandleRange) -> int:
    """Bring ``<folder>/exchange=/candle_interval=/day=/...`` up to ``candles``; return its rows.

    The folders are Hive's, so that readers skip days they need not see. Of each day, the rows that
    ``wanted`` covers become those of ``candles``, and all others stay: another product's, another
    hour's. A day that has no rows any more has no file. A file is whole or not there, and what was
    killed is made up for by the same call: each is written beside its place and moved.

    Args:
        candles: every row of the range.
        folder: of the lake.
        wanted: the range.

    Raises:
        OSError: the folder cannot be written.
    """
    root = folder / f"exchange={wanted.exchange}" / f"candle_interval={wanted.interval}"
    dated = candles.with_columns(pl.col("window_start").dt.strftime("%Y-%m-%d").alias("day"))
    written = {str(day): rows for (day,), rows in dated.group_by("day", maintain_order=True)}
    for day in sorted({*written, *_days(root, wanted)}):
        rows = written.get(day, dated.clear()).drop("exchange", "candle_interval", "day")
        _merge(root / f"day={day}", rows, wanted)
    return candles.height


def _days(root: Path, wanted: CandleRange) -> Iterator[str]:
    """Yield the days of the range that the lake has."""
    first = None if wanted.start_ms is None else _day(wanted.start_ms)
    last = None if wanted.end_ms is None else _day(wanted.end_ms - 1)
    for place in root.glob("day=*"):
        day = place.name.removeprefix("day=")
        if (first is None or day >= first) and (last is None or day <= last):
            yield day


def _day(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1_000, UTC).strftime("%Y-%m-%d")


def _merge(place: Path, rows: pl.DataFrame, wanted: CandleRange) -> None:
    path = place / _FILE
    with suppress(FileNotFoundError):
        kept = pl.read_parquet(path, hive_partitioning=False).filter(~_is_of(wanted))
        if kept.height:
            # An older export may lack columns, or have one that is not written this time.
            rows = pl.concat([rows, kept], how="diagonal_relaxed")
    if not rows.height:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            place.rmdir()
        return
    place.mkdir(parents=True, exist_ok=True)
    beside = place / f".{_FILE}.part"
    with beside.open("wb") as file:
        rows.sort(_KEY).write_parquet(file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _is_of(wanted: CandleRange) -> pl.Expr:
    """Return whether a row is of the range."""
    expression = pl.lit(value=True)
    if wanted.product_ids is not None:
        expression &= pl.col("product_id").is_in(wanted.product_ids)
    if wanted.start_ms is not None:
        expression &= pl.col("window_start") >= pl.lit(wanted.start_ms).cast(TIME)
    if wanted.end_ms is not None:
        expression &= pl.col("window_start") < pl.lit(wanted.end_ms).cast(TIME)
    return expression
