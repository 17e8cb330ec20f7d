"""Parquet files, and CSV files with a header, read through DuckDB by their columns' names."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ohlc_history.sources.base import SourceError
from ohlc_history.sources.column_mapping import (
    TradeColumns,
    connect,
    product_filter,
    raw_batches,
    select_trades,
    time_us_sql,
    trade_columns,
)
from ohlc_history.sources.products import ProductNames
from ohlc_history.trade_table import UNKNOWN_SIDE, RawBatch

_ROWS = 262_144


class ColumnFile(NamedTuple):
    """One product's rows of a file; see `HistoryFile`."""

    product_id: str
    first_us: int
    read: Callable[[], Iterator[RawBatch]]


def column_files(
    path: Path, names: ProductNames, by_name: str | None, *, sequential: bool
) -> Iterator[ColumnFile]:
    """Yield what a file holds of each product.

    Args:
        path: the file.
        names: the products wanted.
        by_name: the product the file's name speaks of, used where it has no product column.
        sequential: whether the exchange's ids count up by trade.

    Raises:
        SourceError: it has no columns of trades, or of no product wanted.
    """
    import duckdb

    relation = _relation(path)
    try:
        with connect() as connection:
            columns = trade_columns(connection, relation)
            time_us = time_us_sql(columns)
            product = columns.text("product_id") if columns.has("product_id") else "''"
            held = connection.execute(
                f"SELECT {product}, min({time_us}) FROM {relation} GROUP BY ALL"
            ).fetchall()
    except duckdb.Error as error:
        raise SourceError(f"can not be read: {' '.join(str(error).split())}") from None
    has_product_column = columns.has("product_id")
    firsts: dict[str, int] = {}
    spellings: dict[str, list[str]] = {}
    for spelling, first_us in held:
        product_id = names.find(spelling or "") if has_product_column else by_name
        if product_id is not None and first_us is not None:
            firsts[product_id] = min(first_us, firsts.get(product_id, first_us))
            spellings.setdefault(product_id, []).append(spelling)
    if not firsts:
        raise SourceError(
            f"holds {', '.join(str(row[0]) for row in held[:5])}, none of PRODUCT_IDS"
            if has_product_column
            else "which product it holds can not be told: it has no column product_id, and its "
            "name is not like that of one of PRODUCT_IDS"
        )
    for product_id, first_us in firsts.items():
        where = product_filter(columns, spellings[product_id]) if has_product_column else "TRUE"
        read = partial(_read, path, columns, where, sequential=sequential)
        yield ColumnFile(product_id, int(first_us), read)


def _relation(path: Path) -> str:
    quoted = str(path).replace("'", "''")
    if path.name.lower().endswith((".parquet", ".pq")):
        return f"read_parquet('{quoted}')"
    return f"read_csv('{quoted}', all_varchar = true, header = true)"


def _read(path: Path, columns: TradeColumns, where: str, *, sequential: bool) -> Iterator[RawBatch]:
    """Yield the rows in the file's order, or sorted where that is not the exchange's."""
    select = f"{select_trades(columns, _relation(path), UNKNOWN_SIDE)} WHERE {where}"
    has_ids = columns.has("trade_id")
    by_id = has_ids and sequential
    with connect() as connection:
        if not _is_sorted(select, by_id=by_id):
            select = f"{select} ORDER BY {order_by(by_id=by_id)}"
        yield from raw_batches(connection, path.name, select, has_ids=has_ids)


def order_by(*, by_id: bool) -> str:
    """Return the SQL order of the trade table: by id where ids count up, else by time."""
    number = "TRY_CAST(trade_id AS HUGEINT) NULLS FIRST"
    first = f"{number}, timestamp_us" if by_id else f"timestamp_us NULLS FIRST, {number}"
    # Rows equal in all of this are interchangeable, so the order is the same each time.
    return f"{first}, trade_id, price, quantity, side"


def _is_sorted(select: str, *, by_id: bool) -> bool:
    key = "TRY_CAST(trade_id AS BIGINT)" if by_id else "timestamp_us"
    last = None
    with connect() as connection:
        for chunk in connection.sql(f"SELECT {key} AS key FROM ({select})").to_arrow_reader(_ROWS):
            keys = pl.DataFrame(chunk)["key"].drop_nulls()
            if keys.is_empty():
                continue
            if not keys.is_sorted() or (last is not None and keys[0] < last):
                return False
            last = keys[-1]
    return True
