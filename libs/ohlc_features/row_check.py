"""Every stored feature row against one computed again from the stored candles, byte by byte."""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from ohlc_features.building import StoredSeries, spans_of, stored_series
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.touched import Span, length_ms
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.engine import Database
from ohlc_features.sql.feature_rows import Scope
from ohlc_features.sql.feature_tables import GroupTables
from ohlc_features.sql.feature_upkeep import FeatureUpkeep
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

#: Differences that are kept for a report; all are counted.
_SHOWN = 20


class Difference(NamedTuple):
    """One row that is not what the stored candles make of it."""

    group: str
    exchange: str
    product_id: str
    interval: str
    window_end_ms: int
    what: str


class RowCheck(NamedTuple):
    """What was found.

    Attributes:
        rows: rows that are equal.
        differences: how many are not, are missing, or have no candle.
        shown: the first of them.
    """

    rows: int
    differences: int
    shown: list[Difference]


def check_rows(
    settings: FeatureStoreSettings,
    groups: Sequence[DefinedGroup],
    progress: Callable[[str], None] = lambda _what: None,
) -> RowCheck:
    """Compute every row of the groups again and compare the bytes.

    Args:
        settings: of a local store.
        groups: of a file of definitions.
        progress: called with what is compared now.

    Raises:
        StoreUnavailableError, StoreRejectedError: the store cannot be read.
    """
    database = Database(store_url(settings.feature_store_url))
    tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)
    upkeep = FeatureUpkeep(groups, tables, database.dialect)
    rows, differences = 0, 0
    shown: list[Difference] = []
    try:
        for defined, group_tables in zip(groups, upkeep.rows.tables, strict=True):
            with database.transaction() as connection:
                work = _either(
                    stored_series(connection, tables.history, defined),
                    stored_series(connection, group_tables.history, defined),
                )
            for series in work:
                progress(f"{defined.group.table} {series.product_id} {series.interval}")
                for span in spans_of(series):
                    with database.transaction() as connection:
                        upkeep.rows.forget()
                        part = _Part(upkeep, defined, group_tables, series, span)
                        equal, found = part.compare(connection)
                    rows += equal
                    differences += len(found)
                    shown += found[: _SHOWN - len(shown)]
    except SQLAlchemyError as error:
        raise database.meaning(error) from None
    finally:
        database.close()
    return RowCheck(rows, differences, shown)


def _either(candles: list[StoredSeries], rows: list[StoredSeries]) -> list[StoredSeries]:
    """Return what one of both has: a row may have lost its candle."""
    found: dict[tuple[str, ...], StoredSeries] = {}
    for each in (*candles, *rows):
        known = found.get(each[:3], each)
        found[each[:3]] = each._replace(
            first_end_ms=min(known.first_end_ms, each.first_end_ms),
            last_end_ms=max(known.last_end_ms, each.last_end_ms),
        )
    return [found[key] for key in sorted(found)]


class _Part(NamedTuple):
    upkeep: FeatureUpkeep
    defined: DefinedGroup
    tables: GroupTables
    series: StoredSeries
    span: Span

    def compare(self, connection: Connection) -> tuple[int, list[Difference]]:
        stored = dict(self._stored(connection))
        equal, found = 0, []
        for end, computed in self._computed(connection):
            row = stored.pop(end, None)
            if row == computed:
                equal += 1
            else:
                found.append(self._difference(end, "is missing" if row is None else "differs"))
        found += [self._difference(end, "has no candle") for end in sorted(stored)]
        return equal, found

    def _stored(self, connection: Connection) -> Iterator[tuple[int, tuple[Any, ...]]]:
        c = self.tables.history.c
        length = length_ms(self.series.interval)
        names = list(self.defined.group.features)
        query = select(c.window_end, *(c[name] for name in names), c.complete).where(
            c.exchange == self.series.exchange,
            c.product_id == self.series.product_id,
            c.candle_interval == self.series.interval,
            c.window_start >= self.span.from_ms - length,
            c.window_start < self.span.to_ms - length,
        )
        for end, *numbers, complete in connection.execute(query):
            yield end, (*map(_bytes, numbers), bool(complete))

    def _computed(self, connection: Connection) -> Iterator[tuple[int, tuple[Any, ...]]]:
        scope = Scope(connection, self.series.exchange, self.series.interval)
        spans = {self.series.product_id: [self.span]}
        for wanted, rows in self.upkeep.rows.evaluate(scope, self.defined.group, spans):
            columns = [rows.values[name].tolist() for name in self.defined.group.features]
            ends = [end for _, times in wanted for end in times.tolist()]
            for at, end in enumerate(ends):
                numbers = (_bytes(column[at]) for column in columns)
                yield end, (*numbers, bool(rows.complete[at]))

    def _difference(self, end: int, what: str) -> Difference:
        series = self.series
        return Difference(
            self.defined.group.table,
            series.exchange,
            series.product_id,
            series.interval,
            end,
            what,
        )


def _bytes(number: float | None) -> bytes | None:
    """Return a number's bytes; None for null and NaN."""
    return None if number is None or number != number else struct.pack("<d", number)  # noqa: PLR0124
