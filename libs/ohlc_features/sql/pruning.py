"""Removing old rows of the local store, without taking from any row that stays.

A feature row is a function of stored candles, and its writer computes stored rows again: when it
starts, when a candle is corrected. So a candle stays as long as a row that was computed from it.
The newest row of each product and interval stays too, however old it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    TableClause,
    and_,
    case,
    column,
    delete,
    func,
    inspect,
    not_,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError

from ohlc_core.domain.interval import Interval
from ohlc_features.define.group import Input
from ohlc_features.define.touched import Span, length_ms, merged
from ohlc_features.errors import StoreRejectedError
from ohlc_features.schema import HISTORY_KEY, ONLINE_KEY
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.engine import Database
from ohlc_features.sql.feature_tables import COMPLETE, DEFINITIONS
from ohlc_features.sql.feature_upkeep import take_turn
from ohlc_features.sql.sqlite_files import require_file
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
        before_ms: windows that start earlier may go,
        kept: but for those that start in one of these spans.
        rows: how many may go.
        left: how many stay.
    """

    table: str
    series: Series
    before_ms: int
    kept: tuple[Span, ...] = ()
    rows: int = 0
    left: int = 0


class _Group(NamedTuple):
    """A stored feature group, and what its rows were made from."""

    table: str
    inputs: tuple[Input, ...]


class _Extent(NamedTuple):
    """Where windows of a series start.

    Attributes:
        first_ms: the first.
        newest_ms: the newest complete one; where there is none, the last.
        last_ms: the last.
    """

    first_ms: int
    newest_ms: int
    last_ms: int


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
        require_file(url)
        self._database = Database(url)
        self._tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def newest_end_ms(self) -> int | None:
        """Return where the store's newest window ends; None: it has no rows."""
        with self._transaction() as connection:
            self._check(connection)
            newest = select(func.max(self._tables.history.c.window_end))
            found = connection.execute(newest).scalar()
        return None if found is None else int(found)

    def plan(self, before_ms: int, intervals: Sequence[str] = ()) -> list[Prunable]:
        """Return what may go of the windows that start before a time.

        Args:
            before_ms: ms since the Unix epoch.
            intervals: whose rows; none: all.
        """
        wanted = _Wanted(before_ms, tuple(intervals))
        with self._transaction() as connection:
            self._check(connection)
            try:
                found = self._plan(connection, wanted)
            except (TypeError, ValueError) as error:
                raise StoreRejectedError(
                    f"the store holds rows that are not its own: {error}"
                ) from None
        return [each for each in found if each.rows or each.left]

    def _plan(self, connection: Connection, wanted: "_Wanted") -> list[Prunable]:
        rows = []
        needed: dict[Series, list[Span]] = defaultdict(list)
        candles = _extents(connection, self._tables.history.name)
        for group in _stored_groups(connection):
            for series, extent in _extents(connection, group.table).items():
                part = Prunable(group.table, series, wanted.before_ms_of(series, extent))
                rows.append(part)
                for each, span in _needed(group, part, extent):
                    needed[each].append(span)
        for series, extent in candles.items():
            before_ms = wanted.before_ms_of(series, extent)
            kept = tuple(merged(span for span in needed[series] if span.from_ms < before_ms))
            for of_candles in (self._tables.history, self._tables.replaced):
                rows.append(Prunable(of_candles.name, series, before_ms, kept))
        return [_counted(connection, each) for each in rows]

    def remove(self, parts: Iterable[Prunable], progress: Callable[[int], None]) -> int:
        """Remove what `plan` returned, a little in each transaction; return how many rows went.

        Stopped half-way, the same call goes on. ``progress`` is called with the rows gone so far.
        """
        gone = 0
        for each in parts:
            if not each.rows:
                continue
            of_table, step_ms = _table(each.table), length_ms(each.series.interval)
            while True:
                with self._transaction() as connection:
                    take_turn(connection)
                    oldest = select(func.min(of_table.c.window_start)).where(_due(of_table, each))
                    first_ms = connection.execute(oldest).scalar()
                    if first_ms is None:
                        break
                    until_ms = min(each.before_ms, first_ms + _WINDOWS_AT_ONCE * step_ms)
                    part = _due(of_table, each._replace(before_ms=until_ms))
                    gone += connection.execute(delete(of_table).where(part)).rowcount
                progress(gone)
        return gone

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


class _Wanted(NamedTuple):
    """What was asked for; no intervals: all."""

    before_ms: int
    intervals: tuple[str, ...]

    def before_ms_of(self, series: Series, extent: _Extent) -> int:
        """Return before which time rows of a series may go; its newest one stays."""
        if self.intervals and series.interval not in self.intervals:
            return extent.first_ms
        return min(self.before_ms, extent.newest_ms)


def _needed(group: _Group, rows: Prunable, extent: _Extent) -> Iterator[tuple[Series, Span]]:
    """Yield which candles the rows of a series that stay were computed from, by their starts."""
    exchange, product_id, interval = rows.series
    first_ms = max(rows.before_ms, extent.first_ms)
    last_ms = extent.last_ms
    for given in group.inputs:
        source = Series(exchange, given.product_id or product_id, given.interval or interval)
        length = length_ms(source.interval)
        # From the end of the row's window, and that of the last candle may be a bit earlier.
        reach_ms = (given.length + 1) * length - length_ms(interval)
        yield source, Span(first_ms - reach_ms, last_ms + length_ms(interval))


def _stored_groups(connection: Connection) -> list[_Group]:
    asked = inspect(connection)
    if not asked.has_table(DEFINITIONS):
        return []
    names = ("feature_group", "version", "inputs")
    stored = table(DEFINITIONS, *(column(name) for name in names))
    inputs: dict[str, list[Input]] = defaultdict(list)
    for group, version, texts in connection.execute(select(stored)):
        inputs[f"{group}_{version}"] += Input.parse_all(texts)
    return [
        _Group(name, tuple(dict.fromkeys(of_group)))
        for name, of_group in inputs.items()
        if asked.has_table(name)
    ]


def _extents(connection: Connection, name: str) -> dict[Series, _Extent]:
    of_table = _table(name)
    key = [of_table.c[each] for each in ONLINE_KEY]
    start = of_table.c.window_start
    newest_complete = func.max(case((of_table.c.complete, start)))
    rows = connection.execute(
        select(*key, func.min(start), func.max(start), newest_complete).group_by(*key)
    )
    found = {}
    for exchange, product_id, interval, first, last, complete in sorted(map(tuple, rows)):
        Interval.parse(interval)
        newest = last if complete is None else complete
        found[Series(exchange, product_id, interval)] = _Extent(first, newest, last)
    return found


def _counted(connection: Connection, part: Prunable) -> Prunable:
    of_table = _table(part.table)
    total = select(func.count()).select_from(of_table).where(_is_of(of_table, part.series))
    rows = connection.execute(total.where(_due(of_table, part))).scalar() or 0
    left = (connection.execute(total).scalar() or 0) - rows
    return part._replace(rows=rows, left=left)


def _table(name: str) -> TableClause:
    return table(name, *(column(each) for each in (*HISTORY_KEY, COMPLETE)))


def _is_of(of_table: TableClause, series: Series) -> ColumnElement[bool]:
    return and_(
        *(of_table.c[name] == value for name, value in zip(ONLINE_KEY, series, strict=True))
    )


def _due(of_table: TableClause, part: Prunable) -> ColumnElement[bool]:
    start = of_table.c.window_start
    kept = [not_(and_(start >= span.from_ms, start < span.to_ms)) for span in part.kept]
    return and_(_is_of(of_table, part.series), start < part.before_ms, *kept)
