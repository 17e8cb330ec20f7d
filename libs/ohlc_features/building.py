"""Filling feature groups from candles that are stored already, beside whatever is live.

The rows are those a writer would have made: same evaluator, same transaction as its own. A build
that was stopped goes on: parts whose rows are all there are left alone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.exc import SQLAlchemyError

from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.touched import Span, length_ms
from ohlc_features.schema import ONLINE_KEY
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.engine import Database
from ohlc_features.sql.feature_rows import Scope
from ohlc_features.sql.feature_tables import GroupTables
from ohlc_features.sql.feature_upkeep import FeatureUpkeep
from ohlc_features.sql.sqlite_files import require_file
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

#: Windows of one product that one transaction fills: other writers wait for its end.
_WINDOWS_AT_ONCE = 5_000


class Built(NamedTuple):
    """How far a build is.

    Attributes:
        what: the group, product and interval at work.
        rows: rows written so far.
        present: rows that were there already.
        done: the share of all windows that is dealt with, 0 to 1.
    """

    what: str
    rows: int
    present: int
    done: float


class StoredSeries(NamedTuple):
    """Stored candles of one product and interval, from the first window's end to the last's."""

    exchange: str
    product_id: str
    interval: str
    first_end_ms: int
    last_end_ms: int


def build_groups(
    settings: FeatureStoreSettings,
    groups: Sequence[DefinedGroup],
    *,
    replace: bool = False,
    progress: Callable[[Built], None] = lambda _built: None,
) -> Built:
    """Fill the groups' tables from the stored candles.

    Args:
        settings: of the local store.
        groups: of a file of definitions.
        replace: whether to remove the groups' rows first, whatever code they are of.
        progress: called after each part.

    Raises:
        DefinitionError: the stored rows are of other code, and ``replace`` is not set.
        StoreUnavailableError, StoreRejectedError: the store does not take the rows; what was
            written stays, and the same call goes on from there.
    """
    return _Build(settings, groups, progress).run(replace=replace)


class _Build:
    def __init__(
        self,
        settings: FeatureStoreSettings,
        groups: Sequence[DefinedGroup],
        progress: Callable[[Built], None],
    ) -> None:
        url = store_url(settings.feature_store_url)
        require_file(url)
        self._database = Database(url)
        self._tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)
        self._upkeep = FeatureUpkeep(groups, self._tables, self._database.dialect)
        self._progress = progress
        self._groups = groups
        self._built = Built("", 0, 0, 0.0)

    def run(self, *, replace: bool) -> Built:
        try:
            with self._database.transaction() as connection:
                if replace:
                    self._upkeep.definitions.replace(connection)
                else:
                    self._upkeep.prepare(connection)
                work = [
                    (defined, series)
                    for defined in self._groups
                    for series in stored_series(connection, self._tables.history, defined)
                ]
            self._fill(work)
        except SQLAlchemyError as error:
            raise self._database.meaning(error) from None
        finally:
            self._database.close()
        return self._built

    def _fill(self, work: list[tuple[DefinedGroup, StoredSeries]]) -> None:
        total = sum(_windows(series) for _, series in work) or 1
        done = 0
        for defined, series in work:
            tables = self._upkeep.rows.tables[self._groups.index(defined)]
            for span in spans_of(series):
                with self._database.transaction() as connection:
                    self._upkeep.begin(connection)
                    self._part(connection, defined, tables, series, span)
                done += (span.to_ms - span.from_ms) // length_ms(series.interval)
                self._built = self._built._replace(
                    what=f"{defined.group.table} {series.product_id} {series.interval}",
                    done=min(1.0, done / total),
                )
                self._progress(self._built)

    def _part(
        self,
        connection: Connection,
        defined: DefinedGroup,
        tables: GroupTables,
        series: StoredSeries,
        span: Span,
    ) -> None:
        candles = _count(connection, self._tables.history, series, span)
        rows = _count(connection, tables.history, series, span)
        if rows == candles:
            self._built = self._built._replace(present=self._built.present + rows)
            return
        scope = Scope(connection, series.exchange, series.interval)
        written = self._upkeep.rows.store(scope, defined.group, {series.product_id: [span]})
        self._built = self._built._replace(rows=self._built.rows + written)


def stored_series(
    connection: Connection, history: Table, defined: DefinedGroup
) -> list[StoredSeries]:
    """Return the candles in ``history`` that a group has rows for."""
    c = history.c
    key = [c[name] for name in ONLINE_KEY]
    rows = connection.execute(
        select(*key, func.min(c.window_end), func.max(c.window_end))
        .where(c.candle_interval.in_(defined.group.intervals))
        .group_by(*key)
        .order_by(*key)
    )
    return [StoredSeries._make(row) for row in rows]


def _windows(series: StoredSeries) -> int:
    return (series.last_end_ms - series.first_end_ms) // length_ms(series.interval) + 1


def spans_of(series: StoredSeries) -> Iterator[Span]:
    """Cut a series into parts that one transaction can deal with."""
    step = length_ms(series.interval) * _WINDOWS_AT_ONCE
    for begin in range(series.first_end_ms, series.last_end_ms + 1, step):
        yield Span(begin, min(begin + step, series.last_end_ms + 1))


def _count(connection: Connection, table: Table, series: StoredSeries, span: Span) -> int:
    c = table.c
    length = length_ms(series.interval)
    found = connection.execute(
        select(func.count())
        .select_from(table)
        .where(
            c.exchange == series.exchange,
            c.product_id == series.product_id,
            c.candle_interval == series.interval,
            c.window_start >= span.from_ms - length,
            c.window_start < span.to_ms - length,
        )
    )
    return int(found.scalar() or 0)
