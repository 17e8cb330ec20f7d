"""The one shape in which features reach models, whatever store they come from."""

import polars as pl

from ohlc_features.schema import COLUMNS, HISTORY_KEY

#: Times in the frames: ms since the Unix epoch in the stores, UTC datetimes here.
TIME = pl.Datetime("ms", "UTC")

_DOUBLES = ("open", "high", "low", "close", "volume", "vwap", "buy_volume")

_TYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(("exchange", "product_id", "candle_interval"), pl.String()),
    **dict.fromkeys(("window_start", "window_end"), TIME),
    **dict.fromkeys(_DOUBLES, pl.Float64()),
    **dict.fromkeys(("trade_count", "revision"), pl.Int64()),
    **dict.fromkeys(("first_trade_id", "last_trade_id"), pl.String()),
    "complete": pl.Boolean(),
}

SCHEMA = pl.Schema({column: _TYPES[column] for column in COLUMNS})


def feature_frame(raw: pl.DataFrame) -> pl.DataFrame:
    """Return a store's rows with the schema's columns and types, in the order of their keys.

    A driver that infers types from the rows sees none in a column of nulls, and 0 and 1 in a
    boolean one; an empty text stands for null, as no id is empty, and a
    negative buy_volume, as no volume is.
    """
    return (
        raw.select(COLUMNS)
        .cast(SCHEMA)
        .with_columns(
            *(
                pl.when(pl.col(column) != "").then(pl.col(column)).alias(column)
                for column in ("first_trade_id", "last_trade_id")
            ),
            pl.when(pl.col("buy_volume") >= 0).then(pl.col("buy_volume")).alias("buy_volume"),
        )
        .sort(HISTORY_KEY)
    )
