"""The three tables of the local store, made from the one schema of columns."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from ohlc_features.schema import HISTORY_KEY, ONLINE_KEY, REPLACED_AT, SCHEMA_COLUMNS, Kind

_TYPES: dict[Kind, type[TypeEngine[Any]]] = {
    Kind.TEXT: Text,
    Kind.TIME: BigInteger,
    Kind.DOUBLE: Double,
    Kind.COUNT: Integer,
    Kind.FLAG: Boolean,
}


class FeatureTables:
    """``<group>_<version>`` and what belongs to it.

    Attributes:
        history: one row a window.
        latest: ``..._latest``, the newest complete row of each product and interval.
        replaced: ``..._replaced``, every row of the history that a later one replaced, and when.
    """

    def __init__(self, group: str, version: int) -> None:
        self.metadata = MetaData()
        name = f"{group}_{version}"
        self.history = _table(name, self.metadata, HISTORY_KEY)
        self.latest = _table(f"{name}_latest", self.metadata, ONLINE_KEY)
        self.replaced = _table(f"{name}_replaced", self.metadata, ())
        self.replaced.append_column(Column(REPLACED_AT, BigInteger, nullable=False))
        # No key: a window may be replaced twice within a millisecond.
        Index(f"{name}_replaced_windows", *(self.replaced.c[each] for each in HISTORY_KEY))


def _table(name: str, metadata: MetaData, key: tuple[str, ...]) -> Table:
    columns: list[Column[Any]] = [
        Column(
            column.name,
            _TYPES[column.about.kind](),
            primary_key=column.name in key,
            nullable=column.is_nullable,
            autoincrement=False,
        )
        for column in SCHEMA_COLUMNS
    ]
    # SQLite then keeps the rows in the order of the key: ranges of one product read in one go.
    return Table(name, metadata, *columns, sqlite_with_rowid=not key)
