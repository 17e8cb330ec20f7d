"""The local feature store: three tables in SQLite (default, no server) or Postgres."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, inspect, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from ohlc_core.domain.candle import Candle
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.errors import StoreError, StoreRejectedError, StoreUnavailableError
from ohlc_features.replacement import HistoryKey, OnlineKey, newest_windows, online_key, settle
from ohlc_features.schema import COLUMNS, ONLINE_KEY, FeatureRow, Origin, feature_row
from ohlc_features.sql.engine import Database
from ohlc_features.sql.feature_upkeep import FeatureUpkeep
from ohlc_features.sql.ranges import ranges_of
from ohlc_features.sql.stamps import Stamps
from ohlc_features.sql.statements import Statements
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

_RANGES_AT_ONCE = 500
_ROWS_AT_ONCE = 5_000
_ATTEMPTS = 5

_Held = dict[HistoryKey, FeatureRow]


class _OvertakenError(Exception):
    """Another writer wrote one of the windows between our look and our write."""


def _row(row: Any) -> FeatureRow:  # noqa: ANN401 - a row of the driver's
    return FeatureRow._make(getattr(row, name) for name in COLUMNS)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class LocalStore:
    """History, newest and replaced rows, written in one transaction a batch.

    Open it with `LocalStore.open`; readers in other processes need nothing but the database.

    Args:
        url, group, version: FEATURE_STORE_URL, FEATURE_GROUP_NAME and FEATURE_GROUP_VERSION.
        origin: what writes: ``live`` or ``backfill``.
        write_incomplete: whether incomplete candles are stored for windows that are not held.
        now_ms: the clock of ``stored_at`` and ``replaced_at``.
        definitions: feature groups whose rows are kept in step with the candles.
        observer: hears of their evaluation.
    """

    def __init__(
        self,
        url: str,
        group: str,
        version: int,
        *,
        origin: Origin = "live",
        write_incomplete: bool = False,
        now_ms: Callable[[], int] = _wall_clock_ms,
        definitions: Sequence[DefinedGroup] = (),
        observer: Observer | None = None,
    ) -> None:
        self._tables = FeatureTables(group, version)
        self._database = Database(store_url(url))
        self._statements = Statements(self._tables, self._database.dialect)
        self._origin = origin
        self._write_incomplete = write_incomplete
        self._stamps = Stamps(now_ms)
        self.features = FeatureUpkeep(definitions, self._tables, self._database.dialect, observer)

    @classmethod
    def open(
        cls,
        url: str,
        group: str,
        version: int,
        *,
        origin: Origin = "live",
        write_incomplete: bool = False,
        now_ms: Callable[[], int] = _wall_clock_ms,
        definitions: Sequence[DefinedGroup] = (),
        observer: Observer | None = None,
    ) -> "LocalStore":
        """Open the database at ``url`` and create what is missing in it.

        Raises:
            StoreUnavailableError: it cannot be reached or is locked at the moment.
            StoreRejectedError: it cannot be opened, or holds other tables of these names.
            DefinitionError: the stored rows of a feature group are of other code.
        """
        store = cls(
            url,
            group,
            version,
            origin=origin,
            write_incomplete=write_incomplete,
            now_ms=now_ms,
            definitions=definitions,
            observer=observer,
        )
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self) -> None:
        try:
            with self._database.transaction() as connection:
                # Looked at before anything is created: an index on an older table would fail.
                check_tables(connection, self._tables)
                self._tables.metadata.create_all(connection)
                self.features.prepare(connection)
        except SQLAlchemyError as error:
            raise self._at_start(self._database.meaning(error)) from None
        self._database.remember_file()

    def is_lost(self) -> bool:
        """Return whether the database's file was deleted or replaced since it was opened."""
        return self._database.is_lost()

    def unmaintained_groups(self) -> list[str]:
        """Return the stored feature groups whose rows this store does not keep in step."""
        return self.features.unmaintained

    def reopen(self) -> None:
        """Create the database again where its file was deleted.

        Raises:
            StoreUnavailableError, StoreRejectedError: as `open`.
        """
        self._database.close()
        self.features.failed()
        self._prepare()

    def _raise_if_lost(self) -> None:
        if self.is_lost():
            self.features.failed()
        self._database.raise_if_lost()

    def _at_start(self, error: StoreError) -> StoreError:
        """A file that cannot be opened passes while a disk is away, but not at the start."""
        if "unable to open database file" in str(error):
            return StoreRejectedError(
                f"{error}; make the folder writable or change FEATURE_STORE_URL"
            )
        return error

    def write(self, candles: Sequence[Candle]) -> int:
        """Bring the tables to what ``candles`` make of them, in one transaction.

        With feature groups, in as many as keep each short.

        Returns:
            How many incomplete candles were left out, their windows not being held.

        Raises:
            StoreUnavailableError: nothing was written; the same call may succeed later.
            StoreLostError: the database's file was deleted or replaced.
            StoreRejectedError: nothing was written, and nothing will be.
        """
        return sum(self._write_part(part) for part in self.features.parts(candles))

    def _write_part(self, candles: Sequence[Candle]) -> int:
        self._raise_if_lost()
        for _ in range(_ATTEMPTS):
            try:
                left_out = self._write(candles)
            except _OvertakenError:
                self.features.failed()  # the next look sees what the other one wrote
            except SQLAlchemyError as error:
                self.features.failed()
                # A connection that met a full disk or a lost server is not to be trusted again.
                self._database.close()
                self._database.raise_if_lost()
                raise self._database.meaning(error) from None
            except BaseException:
                self.features.failed()
                raise
            else:
                self._raise_if_lost()
                return left_out
        raise StoreUnavailableError("other writers keep writing the same windows")

    def _write(self, candles: Sequence[Candle]) -> int:
        if not candles:
            return 0
        with self._database.transaction() as connection:
            self.features.begin(connection)
            stamp = self._stamps.next()
            rows = [feature_row(candle, self._origin, stamp) for candle in candles]
            held = self._held(connection, rows)
            settled = settle(held, rows, lambda _: self._write_incomplete)
            # In the order of the key: the pages of the table are touched one after the other.
            changed = sorted(settled.rows)
            replaced = [key for key in changed if key in held]
            self._keep_replaced(connection, replaced, stamp)
            self._change_history(connection, changed, settled.rows, held)
            self._change_latest(connection, settled.rows, held)
            self.features.keep_up(
                connection, rows, settled.rows.values(), self._database.extend_deadline
            )
        self._correct_stamp(stamp, changed, replaced)
        return settled.incomplete

    def _held(self, connection: Connection, rows: Sequence[FeatureRow]) -> _Held:
        ranges = ranges_of(sorted({row[:4] for row in rows}))
        held: _Held = {}
        for begin in range(0, len(ranges), _RANGES_AT_ONCE):
            part = ranges[begin : begin + _RANGES_AT_ONCE]
            values = tuple(value for each in part for value in each)
            self._database.extend_deadline()
            for found in connection.exec_driver_sql(self._statements.held(len(part)), values):
                row = FeatureRow._make(found)
                row = row._replace(complete=bool(row.complete))
                held[row[:4]] = row
        return held

    def _keep_replaced(
        self, connection: Connection, replaced: Sequence[HistoryKey], stamp: int
    ) -> None:
        self._run(connection, self._statements.keep_replaced, [(stamp, *key) for key in replaced])

    def _change_history(
        self, connection: Connection, changed: Sequence[HistoryKey], rows: _Held, held: _Held
    ) -> None:
        for text, part in (
            (self._statements.add, [rows[key] for key in changed if key not in held]),
            (self._statements.replace, [rows[key] for key in changed if key in held]),
        ):
            if self._run(connection, text, part) != len(part):
                raise _OvertakenError

    def _change_latest(self, connection: Connection, rows: _Held, held: _Held) -> None:
        newest = newest_windows(rows.values())
        # A complete row that is incomplete now may have been the newest: the one before it is.
        lost = [key for key, row in rows.items() if not row.complete and key in held]
        self._run(connection, self._statements.drop_latest, lost)
        emptied: list[OnlineKey] = sorted({online_key(key) for key in lost})
        self._run(connection, self._statements.find_latest, emptied)
        self._run(connection, self._statements.set_latest, [newest[key] for key in sorted(newest)])

    def _correct_stamp(
        self, stamp: int, changed: Sequence[HistoryKey], replaced: Sequence[HistoryKey]
    ) -> None:
        later = self._stamps.late()
        if later is None or not changed:
            return
        with self._database.transaction() as connection:
            s = self._statements
            for text, keys in (
                (s.restamp, changed),
                (s.restamp_latest, changed),
                (s.restamp_replaced, replaced),
            ):
                self._run(connection, text, [(later, stamp, *key) for key in keys])

    def _run(self, connection: Connection, text: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run a statement once for each row, and return how many rows of the table it changed."""
        changed = 0
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            part = list(rows[begin : begin + _ROWS_AT_ONCE])
            self._database.extend_deadline()
            changed += connection.exec_driver_sql(text, part).rowcount
        return changed

    def newest_rows(self, keys: Sequence[OnlineKey]) -> list[FeatureRow]:
        """Return the newest complete rows of some products and intervals."""
        latest = self._tables.latest
        found: list[FeatureRow] = []
        with self._database.transaction() as connection:
            for begin in range(0, len(keys), _RANGES_AT_ONCE):
                part = keys[begin : begin + _RANGES_AT_ONCE]
                named = tuple_(*(latest.c[name] for name in ONLINE_KEY)).in_(part)
                rows = connection.execute(select(latest).where(named))
                found += [row._replace(complete=bool(row.complete)) for row in map(_row, rows)]
        return found

    def close(self) -> None:
        """Close every connection; SQLite folds its write-ahead log into the file."""
        self._database.close()


def check_tables(connection: Connection, tables: FeatureTables) -> None:
    """Refuse tables of the same names with other columns; those that do not exist pass.

    Raises:
        StoreRejectedError: a table is another's, or of a version before this one.
    """
    for table in tables.metadata.tables.values():
        _check_columns(connection, table)


def _check_columns(connection: Connection, table: Table) -> None:
    asked = inspect(connection)
    if not asked.has_table(table.name):
        return
    found = {column["name"]: bool(column["nullable"]) for column in asked.get_columns(table.name)}
    wanted = {column.name: bool(column.nullable) for column in table.columns}
    if found == wanted:
        return
    different = sorted(
        name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)
    )
    raise StoreRejectedError(
        f"table {table.name} exists with other columns ({', '.join(different)}): it is from an "
        "older version or not ours; choose another FEATURE_GROUP_VERSION and fill it by "
        "`make backfill` (docs/upgrading.md)"
    )
