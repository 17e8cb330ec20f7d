"""From a trade table to the bytes of ``trades`` records.

The same bytes as `ohlc_core.messages.codec.encode_trades` writes, made a column at a time.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

# What JSON text must escape; ids with any of it are rare and are written one by one.
_NEEDS_ESCAPE = r'["\\\x00-\x1f]'


class TradesRecord(NamedTuple):
    """One record: its bytes, its event time, and how many trades it holds."""

    value: bytes
    last_timestamp_us: int
    trades: int


def records_of(
    exchange: str, product_id: str, source: str, table: pl.DataFrame, batch: int
) -> Iterator[TradesRecord]:
    """Yield the table's trades as records of up to ``batch``, in order."""
    head = (
        f'{{"type":"trades","exchange":{_text(exchange)},"product_id":{_text(product_id)}'
        f',"source":"{source}","trades":['
    )
    chunks = (
        table.select(
            _trade_json(table).alias("json"),
            pl.col("timestamp_us"),
            (pl.int_range(pl.len()) // batch).alias("chunk"),
        )
        .group_by("chunk", maintain_order=True)
        .agg(pl.col("json").str.join(","), pl.col("timestamp_us").last(), pl.len())
    )
    for _, body, last_us, count in chunks.iter_rows():
        yield TradesRecord(f"{head}{body}]}}".encode(), last_us, count)


def _trade_json(table: pl.DataFrame) -> pl.Expr:
    trade_id = pl.col("trade_id")
    if table["trade_id"].str.contains(_NEEDS_ESCAPE).any():
        trade_id = trade_id.map_elements(lambda text: _text(text)[1:-1], return_dtype=pl.String)
    return pl.concat_str(
        pl.lit('{"trade_id":"'),
        trade_id,
        pl.lit('","price":'),
        pl.col("price"),
        pl.lit(',"quantity":'),
        pl.col("quantity"),
        pl.lit(',"side":"'),
        pl.col("side"),
        pl.lit('","timestamp_us":'),
        pl.col("timestamp_us").cast(pl.String),
        pl.lit("}"),
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
