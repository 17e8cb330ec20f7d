"""Removing old rows of the local store, without taking from any row that stays.

A feature row is a function of stored candles, and its writer computes stored rows again: when it
starts, when a candle is corrected. So a candle stays as long as a row that was computed from it.
The newest row of each product and interval stays too, however old it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Table,
    TableClause,
    and_,
    column,
    delete,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError

from ohlc_features.define.group import Input
from ohlc_features.define.touched import length_ms
from ohlc_features.errors import StoreRejectedError
from ohlc_features.schema import HISTORY_KEY, ONLINE_KEY
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.engine import Database
from ohlc_features.sql.feature_tables import DEFINITIONS
from ohlc_features.sql.feature_upkeep import take_turn
from ohlc_features.sql.sqlite_files import absent, file_identity
from ohlc_features.sql.store import check_tables
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

#: Windows of one product that one transaction removes: other writers wait for its end.
_WINDOWS_AT_ONCE = 20_000


class Series(NamedTuple):
    """One product's rows of one interval."""

    exchange: str
    product_id: str
    interval: str


class Prunable(NamedTuple):
    """Rows of one table and series that may go.

    Attributes:
        table: its name.
        series: whose rows.
        before_ms: windows that start earlier may go.
        rows: how many there are.
        left: how many stay.
    """

    table: str
    series: Series
    before_ms: int
    rows: int
    left: int


class _Group(NamedTuple):
    """A stored feature group: for which intervals it has rows, and what these were made from."""

    table: str
    intervals: tuple[str, ...]
    inputs: tuple[Input, ...]


class _Extent(NamedTuple):
    """The starts of a series' first and newest window."""

    first_ms: int
    newest_ms: int


class Pruning:
    """Removes old rows of a local store.

    Args:
        settings: of the store.

    Raises:
        StoreUnavailableError, StoreRejectedError: the store cannot be used, here and by each call.
    """

    def __init__(self, settings: FeatureStoreSettings) -> None:
        if settings.feature_store != "local":
            raise StoreRejectedError(
                f"FEATURE_STORE was {settings.feature_store!r}; features prune is for a local store"
            )
        url = store_url(settings.feature_store_url)
        if url.get_backend_name() == "sqlite" and file_identity(url) is None:
            raise StoreRejectedError(absent(Path(url.database or "")))
        self._database = Database(url)
        self._tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def newest_end_ms(self) -> int | None:
        """Return where the store's newest window ends; None: it has no rows."""
        latest = self._tables.latest
        with self._transaction() as connection:
            self._check(connection)
            newest = connection.execute(select(func.max(latest.c.window_end))).scalar()
        return None if newest is None else int(newest)

    def plan(self, before_ms: int, intervals: Sequence[str] = ()) -> list[Prunable]:
        """Return what may go of the windows that start before a time.

        Args:
            before_ms: ms since the Unix epoch.
            intervals: whose rows; none: all.
        """
        with self._transaction() as connection:
            self._check(connection)
            groups = _stored_groups(connection)
            extents = _extents(connection, self._tables.history)
            bounds = {
                series: min(before_ms, extent.newest_ms)
                if not intervals or series.interval in intervals
                else extent.first_ms
                for series, extent in extents.items()
            }
            found = [
                _prunable(connection, name, series, before)
                for name, of_series in self._bounds(groups, bounds).items()
                for series, before in of_series.items()
            ]
        return [each for each in found if each.rows or each.left]

    def remove(self, parts: Iterable[Prunable], progress: Callable[[int], None]) -> int:
        """Remove what `plan` returned, a little in each transaction; return how many rows went.

        Stopped half-way, the same call goes on. ``progress`` is called with the rows gone so far.
        """
        gone = 0
        for each in parts:
            of_table, step_ms = _table(each.table), length_ms(each.series.interval)
            while True:
                with self._transaction() as connection:
                    take_turn(connection)
                    due = _due(of_table, each.series, each.before_ms)
                    oldest = select(func.min(of_table.c.window_start)).where(due)
                    first_ms = connection.execute(oldest).scalar()
                    if first_ms is None:
                        break
                    until_ms = min(each.before_ms, first_ms + _WINDOWS_AT_ONCE * step_ms)
                    part = _due(of_table, each.series, until_ms)
                    gone += connection.execute(delete(of_table).where(part)).rowcount
                progress(gone)
        return gone

    def _bounds(
        self, groups: Sequence[_Group], bounds: dict[Series, int]
    ) -> dict[str, dict[Series, int]]:
        """Return per table and series before which time rows may go."""
        found: dict[str, dict[Series, int]] = defaultdict(dict)
        for group in groups:
            for series, before in bounds.items():
                if series.interval in group.intervals:
                    found[group.table][series] = before
        candles = dict(bounds)
        for series in bounds:
            for group in groups:
                for needed_ms in _needed_from(group, series, bounds):
                    candles[series] = min(candles[series], needed_ms)
        for of_candles in (self._tables.history, self._tables.replaced):
            found[of_candles.name] = candles
        return found

    def _check(self, connection: Connection) -> None:
        if not inspect(connection).has_table(self._tables.history.name):
            raise StoreRejectedError(
                f"the feature store has no table {self._tables.history.name}: check "
                "FEATURE_STORE_URL, FEATURE_GROUP_NAME and FEATURE_GROUP_VERSION"
            )
        check_tables(connection, self._tables)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._database.transaction() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._database.meaning(error) from None


def _needed_from(group: _Group, series: Series, bounds: dict[Series, int]) -> Iterator[int]:
    """Yield from which start on rows that stay were computed from the candles of a series."""
    for given in group.inputs:
        for interval in group.intervals:
            if (given.interval or interval) != series.interval:
                continue
            # From the end of the row's window, and that of the last candle may be a bit earlier.
            reach_ms = (given.length + 1) * length_ms(series.interval) - length_ms(interval)
            if given.product_id is None:
                of_row = bounds.get(series._replace(interval=interval))
                if of_row is not None:
                    yield of_row - reach_ms
            elif given.product_id == series.product_id:
                for other, of_row in bounds.items():
                    if (other.exchange, other.interval) == (series.exchange, interval):
                        yield of_row - reach_ms


def _stored_groups(connection: Connection) -> list[_Group]:
    asked = inspect(connection)
    if not asked.has_table(DEFINITIONS):
        return []
    names = ("feature_group", "version", "intervals", "inputs")
    stored = table(DEFINITIONS, *(column(name) for name in names))
    inputs: dict[tuple[str, str], list[Input]] = defaultdict(list)
    for group, version, intervals, texts in connection.execute(select(stored)):
        inputs[f"{group}_{version}", intervals] += map(Input.parse, texts.split(" "))
    return [
        _Group(name, tuple(intervals.split(",")), tuple(dict.fromkeys(of_group)))
        for (name, intervals), of_group in inputs.items()
        if asked.has_table(name)
    ]


def _extents(connection: Connection, history: Table) -> dict[Series, _Extent]:
    key = [history.c[name] for name in ONLINE_KEY]
    start = history.c.window_start
    rows = connection.execute(select(*key, func.min(start), func.max(start)).group_by(*key))
    return {Series(*row[:3]): _Extent(*row[3:]) for row in sorted(map(tuple, rows))}


def _prunable(connection: Connection, name: str, series: Series, before_ms: int) -> Prunable:
    of_table = _table(name)
    is_due = _due(of_table, series, before_ms)
    total = select(func.count()).select_from(of_table).where(_is_of(of_table, series))
    rows = connection.execute(total.where(is_due)).scalar() or 0
    left = (connection.execute(total).scalar() or 0) - rows
    return Prunable(name, series, before_ms, rows, left)


def _table(name: str) -> TableClause:
    return table(name, *(column(each) for each in HISTORY_KEY))


def _is_of(of_table: TableClause, series: Series) -> Any:  # noqa: ANN401 - an SQL expression
    return and_(
        *(of_table.c[name] == value for name, value in zip(ONLINE_KEY, series, strict=True))
    )


def _due(of_table: TableClause, series: Series, before_ms: int) -> Any:  # noqa: ANN401 - as above
    return and_(_is_of(of_table, series), of_table.c.window_start < before_ms)
