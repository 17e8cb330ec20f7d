"""The one shape in which features reach models, whatever store they come from."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from ohlc_features.schema import COLUMNS, HISTORY_KEY, Kind, by_kind, columns_of

#: Times in the frames: ms since the Unix epoch in the stores, UTC datetimes here.
TIME = pl.Datetime("ms", "UTC")

_TYPES: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.TIME: TIME,
    Kind.DOUBLE: pl.Float64(),
    Kind.COUNT: pl.Int64(),
    Kind.FLAG: pl.Boolean(),
}

SCHEMA = pl.Schema(by_kind(_TYPES.__getitem__))

#: What bulk readers get in place of null, so that they see a column's type: no id is empty, and
#: no volume negative.
STAND_IN_FOR_NULL: dict[str, str | float] = {
    **dict.fromkeys(columns_of(Kind.TEXT, nullable=True), ""),
    **dict.fromkeys(columns_of(Kind.DOUBLE, nullable=True), -1.0),
}


def feature_frame(raw: pl.DataFrame, *, is_sorted: bool = False) -> pl.DataFrame:
    """Return a store's rows with the schema's columns and types, in the order of their keys.

    Args:
        raw: a driver that infers types from the rows sees none in a column of nulls, and 0 and 1
            in a boolean one; `STAND_IN_FOR_NULL` stands for null.
        is_sorted: whether the rows are in the order of their keys already.
    """
    frame = (
        raw.lazy()
        .select(COLUMNS)
        .cast(SCHEMA)
        .with_columns(
            pl.when(pl.col(column) != stand_in).then(pl.col(column)).alias(column)
            for column, stand_in in STAND_IN_FOR_NULL.items()
        )
        .collect()
    )
    return frame if is_sorted else frame.sort(HISTORY_KEY)


def frame_of_rows(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Return a few rows, in the schema's order of columns, as a frame: in 0.1 ms."""
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
