"""History that a query gives: anything DuckDB can read, such as Parquet in object storage or
Postgres. Statements before the last one (LOAD, ATTACH, SET) are run first.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ohlc_core.errors import SettingsError
from ohlc_core.messages.records import Source as SourceName
from ohlc_exchanges.base import Position
from ohlc_history.sources.base import LeftOut, SourceError
from ohlc_history.sources.column_mapping import (
    connect,
    order_by,
    product_filter,
    raw_batches,
    select_trades,
    trade_columns,
)
from ohlc_history.sources.object_storage import connect_object_storage
from ohlc_history.sources.postgres_copy import PostgresCopy
from ohlc_history.sources.products import ProductNames
from ohlc_history.trade_table import UNKNOWN_SIDE, Batch, clean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What may stand before the query itself: nothing that writes.
_SETUP = (
    "SELECT",
    "SET",
    "VARIABLE_SET",
    "PRAGMA",
    "LOAD",
    "ATTACH",
    "CREATE",
    "EXTENSION",
    "TRANSACTION",
)
_MARGIN_US = 60_000_000


class QuerySource:
    """A `TradeSource` over REPLAY_QUERY.

    The query may give its rows in any order. Rows of one event time without ids are ordered by
    price, quantity and side, so that their synthetic ids are the same in every run.

    Args:
        query: gives the rows.
        product_ids: the products wanted.
        sequential: whether the exchange's ids count up by trade.
        database: a PostgreSQL address that runs the query; "" for DuckDB itself.

    Raises:
        SettingsError: the query cannot be run, or has no columns of trades.
        FatalError: the database does not answer.
    """

    name: SourceName = "sql"
    is_live = False
    left_out: Sequence[LeftOut] = ()

    def __init__(
        self, query: str, product_ids: Sequence[str], *, sequential: bool, database: str = ""
    ) -> None:
        import duckdb

        self._sequential = sequential
        self._copy = None if not database else PostgresCopy(database, query)
        if self._copy is None:
            self._setup, last = _statements(query)
            self._relation = f"({last})"
        else:
            self._setup = []
            self._relation = f"read_csv('{self._copy.path}', all_varchar = true, header = true)"
        self._filters: dict[str, str] = {}
        try:
            with self._connection() as connection:
                self._columns = trade_columns(connection, self._relation)
                if self._columns.has("product_id"):
                    held = connection.execute(
                        f"SELECT DISTINCT {self._columns.text('product_id')} FROM {self._relation}"
                    ).fetchall()
                    self._note_products([row[0] or "" for row in held], ProductNames(product_ids))
        except (duckdb.Error, SourceError) as error:
            raise SettingsError(f"REPLAY_QUERY: {_one_line(error)}") from None
        if not self._columns.has("product_id"):
            if len(product_ids) > 1:
                raise SettingsError(
                    "REPLAY_QUERY gives no column product_id, so PRODUCT_IDS must be one product; "
                    f"was {','.join(product_ids)}"
                )
            self._filters[product_ids[0]] = "TRUE"

    def first_us(self, product_id: str) -> int | None:
        """Return the event time of the product's first trade, or None when there is none."""
        if product_id not in self._filters:
            return None
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT min(timestamp_us) FROM ({self._select(product_id)})"
            ).fetchall()
        return None if rows[0][0] is None else int(rows[0][0])

    def batches(
        self, product_id: str, from_us: int, to_us: int, after: Position | None
    ) -> Iterator[Batch]:
        """Yield the query's rows of the product, sorted."""
        import duckdb

        if product_id not in self._filters:
            return
        begin_us = max(from_us, 0 if after is None else after.timestamp_us - _MARGIN_US)
        by_id = self._sequential and self._columns.has("trade_id")
        query = (
            f"SELECT * FROM ({self._select(product_id)}) WHERE timestamp_us IS NULL "
            f"OR timestamp_us BETWEEN {begin_us} AND {to_us - 1} ORDER BY {order_by(by_id=by_id)}"
        )
        try:
            with self._connection() as connection:
                rows = raw_batches(
                    connection, "query", query, has_ids=self._columns.has("trade_id")
                )
                yield from map(clean, rows)
        except duckdb.Error as error:
            raise SourceError(f"REPLAY_QUERY failed: {_one_line(error)}") from None

    def _connection(self) -> "DuckDBPyConnection":
        connection = connect()
        connect_object_storage(connection, self._relation + "".join(self._setup))
        for statement in self._setup:
            connection.execute(statement)
        return connection

    def _select(self, product_id: str) -> str:
        select = select_trades(self._columns, self._relation, UNKNOWN_SIDE)
        return f"{select} WHERE {self._filters[product_id]}"

    def _note_products(self, spellings: list[str], names: ProductNames) -> None:
        by_product: dict[str, list[str]] = {}
        for spelling in spellings:
            product_id = names.find(spelling)
            if product_id is not None:
                by_product.setdefault(product_id, []).append(spelling)
        if not by_product:
            raise SourceError(
                f"gives products {', '.join(spellings[:5]) or 'none'}, none of PRODUCT_IDS "
                f"{','.join(names.product_ids)}"
            )
        for product_id, its_spellings in by_product.items():
            self._filters[product_id] = product_filter(self._columns, its_spellings)


def _statements(query: str) -> tuple[list[str], str]:
    """Return the statements to run first, and the last one, which gives the trades.

    Raises:
        SettingsError: it cannot be parsed, or would write.
    """
    import duckdb

    try:
        parsed = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise SettingsError(f"REPLAY_QUERY: {_one_line(error)}") from None
    if not parsed:
        raise SettingsError("REPLAY_QUERY has no statement")
    allowed = {getattr(duckdb.StatementType, name, None) for name in _SETUP}
    for each in parsed[:-1]:
        if each.type not in allowed:
            raise SettingsError(
                f"REPLAY_QUERY has a statement that would write ({_shown(each.query)}); allowed "
                "before the last one: SET, PRAGMA, INSTALL, LOAD, ATTACH, USE and CREATE"
            )
        if each.type == duckdb.StatementType.ATTACH and "read_only" not in each.query.lower():
            raise SettingsError(
                f"REPLAY_QUERY attaches without READ_ONLY ({_shown(each.query)}); add it: "
                "ATTACH '...' AS name (TYPE postgres, READ_ONLY)"
            )
    if parsed[-1].type != duckdb.StatementType.SELECT:
        raise SettingsError(
            f"REPLAY_QUERY must end with a SELECT; it ends with {_shown(parsed[-1].query)}"
        )
    # On lines of their own: a comment at the end of a statement goes to the end of its line.
    statements = [f"{each.query.strip().rstrip(';')}\n" for each in parsed]
    return statements[:-1], statements[-1]


def _one_line(error: Exception) -> str:
    text = str(error).strip()
    # What a client for object storage raises, DuckDB passes on as a whole traceback.
    return text.splitlines()[-1] if text.startswith("Traceback") else " ".join(text.split())


def _shown(statement: str) -> str:
    return " ".join(statement.split())[:40]
