"""Named columns, whatever they are called: the SELECT that turns any relation into trades.

Used for queries, Parquet and CSV files with a header. Exact numbers stay exact: decimals are
cast to text, and a binary float is given its shortest text, which is the number it was made of.
"""

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from ohlc_history.sources.base import SourceError
from ohlc_history.sources.layouts import ALIASES, NEEDED, plain_title
from ohlc_history.sources.values import BUY_WORDS, NO_SIDE_WORDS, SELL_WORDS
from ohlc_history.trade_table import RawBatch, row_payload

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS = 65_536
_MEMORY = "400MB"

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
             "UINTEGER", "UBIGINT", "UHUGEINT"}  # fmt: skip


class TradeColumns(NamedTuple):
    """Which columns of a relation hold what, and their DuckDB types."""

    names: Mapping[str, str]
    types: Mapping[str, str]

    def sql(self, meaning: str) -> str:
        """Return the quoted column of this meaning."""
        return '"' + self.names[meaning].replace('"', '""') + '"'

    def has(self, meaning: str) -> bool:
        """Return whether the relation has a column of this meaning."""
        return meaning in self.names

    def text(self, meaning: str) -> str:
        """Return the SQL of the column as text."""
        return f"CAST({self.sql(meaning)} AS VARCHAR)"


@cache
def _spill_folder() -> str:
    """Return a folder of this process alone, deleted at its end."""
    folder = tempfile.mkdtemp(prefix="trade-replayer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def connect() -> "DuckDBPyConnection":
    """Return a DuckDB connection in UTC whose memory stays bounded (it spills to disk)."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 2,
        "autoinstall_known_extensions": False,
        "memory_limit": _MEMORY,
        "temp_directory": _spill_folder(),
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def trade_columns(connection: "DuckDBPyConnection", relation: str) -> TradeColumns:
    """Return what the columns of ``relation`` (SQL) mean.

    Raises:
        SourceError: there is no time, price or quantity among them.
        duckdb.Error: the relation cannot be read.
    """
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described}
    by_plain = {plain_title(name): name for name in types}
    names: dict[str, str] = {}
    for meaning, aliases in ALIASES.items():
        for alias in aliases:
            if alias in by_plain:
                names[meaning] = by_plain[alias]
                break
    missing = [meaning for meaning in NEEDED if meaning not in names]
    if missing:
        raise SourceError(
            f"no column for {' and '.join(missing)} among {', '.join(types)}; name them "
            "timestamp, price, quantity (and side, trade_id, product_id), e.g. with SELECT ... AS"
        )
    return TradeColumns(names, types)


def time_us_sql(columns: TradeColumns) -> str:
    """Return the SQL of the event time in microseconds, cut off.

    Numbers are taken for seconds, milli-, micro- or nanoseconds by their size, which is right
    for every time after 1973.
    """
    column, kind = columns.sql("timestamp"), columns.types[columns.names["timestamp"]]
    if kind.startswith("TIMESTAMP_NS"):
        return f"epoch_ns({column}) // 1000"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"epoch_us({column})"
    if kind in _INTEGERS:
        return _by_size(f"CAST({column} AS HUGEINT)", "{}")
    number = _by_size(
        f"TRY_CAST(CAST({column} AS VARCHAR) AS DECIMAL(38, 9))", "CAST(floor({}) AS HUGEINT)"
    )
    if kind == "VARCHAR":
        return f"COALESCE({number}, epoch_us(TRY_CAST({column} AS TIMESTAMPTZ)))"
    return number


def _by_size(number: str, whole: str) -> str:
    """Return microseconds of a number of any unit; ``whole`` is the SQL that cuts a fraction off.

    Cut before dividing, and never cut an integer: DuckDB would do either in floats.
    """
    return (
        f"CASE WHEN {number} < 100000000000 THEN {whole.format(f'{number} * 1000000')} "
        f"WHEN {number} < 100000000000000 THEN {whole.format(f'{number} * 1000')} "
        f"WHEN {number} < 100000000000000000 THEN {whole.format(number)} "
        f"ELSE {whole.format(number)} // 1000 END"
    )


def side_sql(columns: TradeColumns, unknown: str) -> str:
    """Return the SQL of the taker's side; null where the column holds neither side."""
    if columns.has("side"):
        text = f"lower({columns.text('side')})"
        return (
            f"CASE WHEN {text} IN ({_words(BUY_WORDS)}) THEN 'buy' "
            f"WHEN {text} IN ({_words(SELL_WORDS)}) THEN 'sell' "
            f"WHEN {text} IS NULL OR {text} IN ({_words(NO_SIDE_WORDS)}) THEN '{unknown}' END"
        )
    for meaning in ("buyer_is_maker", "taker_sold"):
        if columns.has(meaning):
            flag = f"TRY_CAST({columns.sql(meaning)} AS BOOLEAN)"
            return (
                f"CASE WHEN {flag} THEN 'sell' WHEN NOT {flag} THEN 'buy' "
                f"WHEN {columns.sql(meaning)} IS NULL THEN '{unknown}' END"
            )
    return f"'{unknown}'"


def product_filter(columns: TradeColumns, names: Iterable[str]) -> str:
    """Return the SQL condition that the row's product is one of these names."""
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"{columns.text('product_id')} IN ({quoted})" if quoted else "FALSE"


def raw_batches(
    connection: "DuckDBPyConnection", part: str, query: str, *, has_ids: bool
) -> Iterator[RawBatch]:
    """Run a query that gives the trade table's columns, and yield its rows."""
    for chunk in connection.sql(query).to_arrow_reader(_ROWS):
        table = pl.DataFrame(chunk)
        if table.height:
            yield RawBatch(part, table, row_payload(table), has_ids)


def select_trades(columns: TradeColumns, relation: str, unknown_side: str) -> str:
    """Return the SELECT that gives the trade table's columns of a relation, unordered."""
    trade_id = columns.text("trade_id") if columns.has("trade_id") else "CAST(NULL AS VARCHAR)"
    return (
        f"SELECT {trade_id} AS trade_id, {columns.text('price')} AS price, "
        f"{columns.text('quantity')} AS quantity, {side_sql(columns, unknown_side)} AS side, "
        f"TRY_CAST({time_us_sql(columns)} AS BIGINT) AS timestamp_us FROM {relation}"
    )


def order_by(*, by_id: bool) -> str:
    """Return the SQL order of the trade table: by id where ids count up, else by time."""
    number = "TRY_CAST(trade_id AS HUGEINT) NULLS FIRST"
    first = f"{number}, timestamp_us" if by_id else f"timestamp_us NULLS FIRST, {number}"
    # Rows equal in all of this are interchangeable, so the order is the same each time.
    return f"{first}, trade_id, price, quantity, side"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
