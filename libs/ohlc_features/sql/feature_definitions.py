"""What is known of every feature group that was ever written, and whether its code still is that.

Rows of a group and version are all of one code. Another code under the same version is refused;
so is a machine that computes other bytes than those stored.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, Table, delete, insert, inspect, select, update

from ohlc_features.define.group import DefinitionError
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.touched import Span
from ohlc_features.sql.feature_rows import FeatureRowsStore, Scope
from ohlc_features.sql.feature_tables import GroupTables, definitions_table

#: So many stored rows are computed again at start.
_SAMPLE_ROWS = 32

_REMEDY = (
    "raise the group's version, or run `features build FILE --replace` to compute its rows again"
)


class FeatureDefinitions:
    """The table ``feature_definitions``, held against a file's groups.

    Args:
        rows: the groups and their tables.
        taken: names of tables that no group may have.
    """

    def __init__(self, rows: FeatureRowsStore, taken: Sequence[str]) -> None:
        self._rows = rows
        self._taken = frozenset(taken)
        self._metadata = MetaData()
        self._table = definitions_table(self._metadata)

    def prepare(self, connection: Connection) -> None:
        """Create what is missing, and refuse groups whose rows are of another code.

        Raises:
            DefinitionError: a group's rows are of another code, or not what this machine computes.
        """
        self._metadata.create_all(connection)
        for defined, tables in zip(self._rows.groups, self._rows.tables, strict=True):
            self._check_name(defined)
            if self._is_changed(connection, defined, tables):
                if _has_rows(connection, tables.history):
                    raise DefinitionError(
                        f"feature group {defined.group.table}: its stored rows are of other code; "
                        + _REMEDY
                    )
                self._drop(connection, defined, tables)
            tables.metadata.create_all(connection)
            self._write(connection, defined)
            self._check_sample(connection, defined, tables)

    def replace(self, connection: Connection) -> None:
        """Remove the rows of the groups, whatever code they are of, and note the new code."""
        self._metadata.create_all(connection)
        for defined, tables in zip(self._rows.groups, self._rows.tables, strict=True):
            self._check_name(defined)
            self._drop(connection, defined, tables)
            tables.metadata.create_all(connection)
            self._write(connection, defined)

    def unmaintained(self, connection: Connection) -> list[str]:
        """Return the stored groups that the file does not define: their rows are not kept up."""
        if not inspect(connection).has_table(self._table.name):
            return []
        t = self._table.c
        known = connection.execute(select(t.feature_group, t.version).distinct())
        stored = {f"{group}_{version}" for group, version in known}
        return sorted(stored - {each.group.table for each in self._rows.groups})

    def _check_name(self, defined: DefinedGroup) -> None:
        for name in (defined.group.table, f"{defined.group.table}_latest"):
            if name in self._taken or name == self._table.name:
                raise DefinitionError(
                    f"feature group {defined.group.table}: the store has a table {name} of its "
                    "own; give the group another name"
                )

    def _is_changed(
        self, connection: Connection, defined: DefinedGroup, tables: GroupTables
    ) -> bool:
        t = self._table.c
        found = connection.execute(
            select(t.code_hash).where(
                t.feature_group == defined.group.name, t.version == defined.group.version
            )
        )
        hashes = {code_hash for (code_hash,) in found}
        asked = inspect(connection)
        if not asked.has_table(tables.history.name):
            return bool(hashes)
        columns = {column["name"] for column in asked.get_columns(tables.history.name)}
        return hashes != {defined.code_hash} or columns != set(tables.columns)

    def _drop(self, connection: Connection, defined: DefinedGroup, tables: GroupTables) -> None:
        tables.metadata.drop_all(connection)
        t = self._table.c
        connection.execute(
            delete(self._table).where(
                t.feature_group == defined.group.name, t.version == defined.group.version
            )
        )

    def _write(self, connection: Connection, defined: DefinedGroup) -> None:
        group, t = defined.group, self._table.c
        of_group = (t.feature_group == group.name, t.version == group.version)
        known = {name for (name,) in connection.execute(select(t.feature).where(*of_group))}
        for feature in group.features.values():
            values = {
                "inputs": " ".join(each.text() for each in feature.inputs),
                "unit": feature.unit,
                "description": feature.about,
                "intervals": ",".join(group.intervals),
                "code_hash": defined.code_hash,
                "source": defined.source,
            }
            if feature.name in known:
                where = (*of_group, t.feature == feature.name)
                connection.execute(update(self._table).where(*where).values(**values))
                continue
            key = {
                "feature_group": group.name,
                "version": group.version,
                "feature": feature.name,
            }
            connection.execute(insert(self._table).values(**key, **values))

    def _check_sample(
        self, connection: Connection, defined: DefinedGroup, tables: GroupTables
    ) -> None:
        latest = tables.latest
        newest = select(latest).where(latest.c.complete).limit(_SAMPLE_ROWS)
        for row in connection.execute(newest).mappings():
            span = Span(row["window_end"], row["window_end"] + 1)
            scope = Scope(connection, row["exchange"], row["candle_interval"])
            found = self._rows.evaluate(scope, defined.group, {row["product_id"]: [span]})
            for name in defined.group.features:
                computed = float(found[0][1].values[name][0]) if found else math.nan
                if not _is_same(row[name], computed):
                    raise DefinitionError(
                        f"feature group {defined.group.table}: {name} of {row['product_id']} "
                        f"{row['candle_interval']} at {row['window_end']} is stored as "
                        f"{row[name]!r}, and this machine computes {computed!r}: an imported "
                        f"module, NumPy, Python or the processor changed; {_REMEDY}"
                    )


def _has_rows(connection: Connection, table: Table) -> bool:
    if not inspect(connection).has_table(table.name):
        return False
    return connection.execute(select(table.c.window_start).limit(1)).first() is not None


def _is_same(stored: Any, computed: float) -> bool:  # noqa: ANN401 - a driver's double or None
    if stored is None or math.isnan(computed):
        return stored is None and math.isnan(computed)
    return struct.pack("<d", stored) == struct.pack("<d", computed)
