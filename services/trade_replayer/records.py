"""From a trade table to the bytes of ``trades`` records.

The same bytes as `ohlc_core.messages.codec.encode_trades` writes, made a column at a time.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from ohlc_core.domain.decimals import MAX_EXPONENT
from ohlc_core.messages.trades_record import SIDE_LETTERS

# What JSON text must escape; ids with any of it are rare and are written one by one.
_NEEDS_ESCAPE = r'["\\\x00-\x1f]'
_ZEROS = "0" * 2 * MAX_EXPONENT


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
        f',"source":"{source}","trade_ids":["'
    )
    chunk = (pl.int_range(pl.len()) // batch).alias("chunk")
    joined = (
        table.select(_ids(table), "price", "quantity", _letter(), "timestamp_us", chunk)
        .with_columns(*(_padded(table[name], batch) for name in ("price", "quantity")))
        .group_by("chunk", maintain_order=True)
        .agg(
            pl.col("trade_id").str.join('","'),
            pl.col("price").str.join(","),
            pl.col("quantity").str.join(","),
            pl.col("side").str.join(""),
            pl.col("timestamp_us").cast(pl.String).str.join(","),
            pl.col("timestamp_us").last().alias("last_us"),
            pl.len(),
        )
    )
    for _, ids, prices, quantities, sides, times, last_us, count in joined.iter_rows():
        value = (
            f'{head}{ids}"],"prices":[{prices}],"quantities":[{quantities}]'
            f',"sides":"{sides}","timestamps_us":[{times}]}}'
        )
        yield TradesRecord(value.encode(), last_us, count)


def _ids(table: pl.DataFrame) -> pl.Expr:
    trade_id = pl.col("trade_id")
    if table["trade_id"].str.contains(_NEEDS_ESCAPE).any():
        return trade_id.map_elements(lambda text: _text(text)[1:-1], return_dtype=pl.String)
    return trade_id


def _letter() -> pl.Expr:
    return pl.col("side").replace_strict(SIDE_LETTERS, return_dtype=pl.String)


def _padded(texts: pl.Series, batch: int) -> pl.Expr | pl.Series:
    """Return canonical numbers with zeros behind them, as many decimals in all of a chunk."""
    if texts.is_empty():
        return texts
    point = texts.str.find(".", literal=True).cast(pl.Int64)
    own = (texts.str.len_bytes().cast(pl.Int64) - point - 1).fill_null(0)
    chunks = pl.DataFrame({"own": own}).group_by(pl.int_range(pl.len()) // batch)
    finest = chunks.agg(pl.col("own").max())["own"]
    if finest.min() != finest.max():
        return _padded_by_chunk(texts.name)
    if own.min() == finest[0]:
        return texts
    width = texts.str.len_bytes().cast(pl.Int64) + finest[0] - own + (own == 0).cast(pl.Int64)
    dotted = pl.when(own == 0).then(pl.concat_str(texts, pl.lit("."))).otherwise(texts)
    return dotted.str.pad_end(width.cast(pl.UInt64), "0").alias(texts.name)


def _padded_by_chunk(name: str) -> pl.Expr:
    text = pl.col(name)
    point = text.str.find(".", literal=True).cast(pl.Int64)
    own = (text.str.len_bytes().cast(pl.Int64) - point - 1).fill_null(0)
    finest = own.max().over("chunk")
    dotted = pl.concat_str(
        text, pl.when((own == 0) & (finest > 0)).then(pl.lit(".")).otherwise(pl.lit(""))
    )
    zeros = pl.lit(_ZEROS).str.slice(0, finest - own)
    return pl.concat_str(dotted, zeros).alias(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
