"""The tables of feature groups, and the statements that fill them.

A row is a pure function of stored candles, so the later evaluation always takes the place of the
earlier one; only the newest row of a key has a condition.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql, sqlite

from ohlc_features.define.group import FeatureGroup
from ohlc_features.schema import HISTORY_KEY, ONLINE_KEY

DEFINITIONS = "feature_definitions"

#: The columns of every feature table that are no features.
LEADING = (*HISTORY_KEY, "window_end")
COMPLETE = "complete"


class GroupTables:
    """``<group>_<version>`` and ``<group>_<version>_latest``."""

    def __init__(self, group: FeatureGroup, dialect: Dialect) -> None:
        self.metadata = MetaData()
        names = list(group.features)
        self.columns = (*LEADING, *names, COMPLETE)
        self.history = _table(group.table, self.metadata, names, HISTORY_KEY)
        self.latest = _table(f"{group.table}_latest", self.metadata, names, ONLINE_KEY)
        self.upsert = _upsert(self.history, dialect, is_latest=False)
        self.upsert_latest = _upsert(self.latest, dialect, is_latest=True)


def definitions_table(metadata: MetaData) -> Table:
    """Return ``feature_definitions``: a line per feature of every group that was ever written."""
    return Table(
        DEFINITIONS,
        metadata,
        Column("feature_group", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("feature", Text, primary_key=True),
        Column("inputs", Text, nullable=False),
        Column("unit", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("intervals", Text, nullable=False),
        Column("code_hash", Text, nullable=False),
        Column("source", Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _table(name: str, metadata: MetaData, features: list[str], key: tuple[str, ...]) -> Table:
    columns: list[Column[Any]] = [
        Column(each, Text, primary_key=each in key, nullable=False) for each in ONLINE_KEY
    ]
    columns += [
        Column(each, BigInteger, primary_key=each in key, nullable=False, autoincrement=False)
        for each in ("window_start", "window_end")
    ]
    columns += [Column(each, Double, nullable=True) for each in features]
    columns.append(Column(COMPLETE, Boolean, nullable=False))
    return Table(name, metadata, *columns, sqlite_with_rowid=False)


def _upsert(table: Table, dialect: Dialect, *, is_latest: bool) -> str:
    module = sqlite if dialect.name == "sqlite" else postgresql
    insert: Any = module.insert(table)
    new = insert.excluded
    values = {column.name: new[column.name] for column in table.columns if not column.primary_key}
    condition = table.c.window_start <= new.window_start if is_latest else None
    upsert = insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=values, where=condition
    )
    return str(upsert.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
