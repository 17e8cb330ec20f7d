"""The two tables of the local store and the upserts that keep its promises.

Which row wins is a condition inside each upsert, so the database decides it, whoever else writes.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    not_,
    or_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from ohlc_features.schema import COLUMNS, HISTORY_KEY, ONLINE_KEY

_NULLABLE = ("buy_volume", "first_trade_id", "last_trade_id")
_DOUBLES = ("open", "high", "low", "close", "volume", "vwap", "buy_volume")


class FeatureTables:
    """``<group>_<version>`` with the history and ``<group>_<version>_latest`` with newest rows."""

    def __init__(self, group: str, version: int) -> None:
        self.metadata = MetaData()
        name = f"{group}_{version}"
        self.history = _table(name, self.metadata, HISTORY_KEY)
        self.latest = _table(f"{name}_latest", self.metadata, ONLINE_KEY)


def _table(name: str, metadata: MetaData, key: tuple[str, ...]) -> Table:
    types: dict[str, TypeEngine[Any]] = {
        **dict.fromkeys(ONLINE_KEY, Text()),
        **dict.fromkeys(("window_start", "window_end"), BigInteger()),
        **dict.fromkeys(_DOUBLES, Double()),
        **dict.fromkeys(("trade_count", "revision"), Integer()),
        **dict.fromkeys(("first_trade_id", "last_trade_id"), Text()),
        "complete": Boolean(),
    }
    columns: list[Column[Any]] = [
        Column(
            column,
            types[column],
            primary_key=column in key,
            nullable=column in _NULLABLE,
            autoincrement=False,
        )
        for column in COLUMNS
    ]
    # SQLite then keeps the rows in the order of the key: ranges of one product read in one go.
    return Table(name, metadata, *columns, sqlite_with_rowid=False)


def upsert_history(tables: FeatureTables, dialect: Dialect) -> str:
    """Return the statement that keeps the newest revision; parameters in column order."""
    insert, new = _insert(tables.history, dialect)
    newer = _newer_revision(new, tables.history)
    return _compiled(insert, tables.history, new, newer, dialect)


def upsert_latest(tables: FeatureTables, dialect: Dialect) -> str:
    """Return the statement that keeps the newest window; parameters in column order."""
    table = tables.latest
    insert, new = _insert(table, dialect)
    newer = or_(
        new.window_start > table.c.window_start,
        and_(new.window_start == table.c.window_start, _newer_revision(new, table)),
    )
    return _compiled(insert, table, new, newer, dialect)


def _newer_revision(new: Any, table: Table) -> ColumnElement[bool]:  # noqa: ANN401 - "excluded"
    """`candle_rules.replaces`, said in SQL."""
    return or_(
        new.revision > table.c.revision,
        and_(new.revision == table.c.revision, or_(new.complete, not_(table.c.complete))),
    )


def _insert(table: Table, dialect: Dialect) -> tuple[Any, Any]:
    module = sqlite if dialect.name == "sqlite" else postgresql
    insert = module.insert(table)
    return insert, insert.excluded


def _compiled(
    insert: Any,  # noqa: ANN401 - either dialect's Insert
    table: Table,
    new: Any,  # noqa: ANN401
    newer: ColumnElement[bool],
    dialect: Dialect,
) -> str:
    key = list(table.primary_key.columns)
    values = {name: new[name] for name in COLUMNS if name not in table.primary_key.columns}
    upsert = insert.on_conflict_do_update(index_elements=key, set_=values, where=newer)
    return str(upsert.compile(dialect=dialect))
