"""Feature rows, kept in step with the candles in the transaction that stores them.

The store is the state: whatever a batch holds, the rows it touches are evaluated from what is
stored after it. So repetition, order, crashes and the number of writers do not show in any row.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Dialect, Table, bindparam, select

from ohlc_features.define.evaluate import CandleTable, Evaluator, FeatureRows, Places
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.define.touched import (
    Changed,
    Reach,
    Span,
    Touched,
    length_ms,
    merged,
    reach,
    touched_rows,
)
from ohlc_features.sql.feature_tables import GroupTables
from ohlc_features.sql.stored_candles import (
    NUMBERS,
    ReadCandles,
    RecentCandles,
    StoredWindows,
    read_windows,
)

_PRODUCTS_AT_ONCE = 500
_ROWS_AT_ONCE = 5_000
#: Windows of one product that are read at once.
_WINDOWS_AT_ONCE = 10_000


class FeatureRowsStore:
    """Evaluates and stores the rows of some groups.

    Args:
        groups: whose rows.
        candles: the candles' history table.
        latest: the candles' table of newest rows, which has a row for every product.
        dialect: the database's.
        observer: hears of the evaluation.
    """

    def __init__(
        self,
        groups: Sequence[DefinedGroup],
        candles: Table,
        latest: Table,
        dialect: Dialect,
        observer: Observer | None = None,
    ) -> None:
        observer = observer or Observer()
        self.groups = groups
        self._candles = candles
        self._latest = latest
        self._observer = observer
        self._parts = [
            _Part(Evaluator(each.group, observer.running), GroupTables(each.group, dialect))
            for each in groups
        ]
        self._lengths: dict[str, int] = defaultdict(int)
        for each in groups:
            for interval in each.group.intervals:
                for source, length in reach(each.group, interval).lengths().items():
                    self._lengths[source] = max(self._lengths[source], length)
        self._recent: dict[tuple[str, str], RecentCandles] = {}
        self._queries = _Queries(candles)

    @property
    def tables(self) -> list[GroupTables]:
        """The tables of the groups, in their order."""
        return [part.tables for part in self._parts]

    def uses(self, interval: str) -> bool:
        """Return whether candles of an interval are an input of any row."""
        return interval in self._lengths

    def forget(self) -> None:
        """Trust no candle but those in the database."""
        self._recent.clear()

    def written(self, rows: Iterable[Sequence[Any]]) -> None:
        """Note candles that the transaction wrote: (exchange, product, interval, end, *NUMBERS,
        complete). Call it before `update`."""
        by_series: dict[tuple[str, str], list[Sequence[Any]]] = defaultdict(list)
        for exchange, product, interval, *row in rows:
            by_series[exchange, interval].append((product, *row))
        for key, series in by_series.items():
            if key in self._recent:
                self._recent[key].put(series)

    def update(
        self,
        connection: Connection,
        changed: Mapping[str, Sequence[Changed]],
        on_step: Callable[[], None] = lambda: None,
    ) -> int:
        """Evaluate and store every row that the changed candles of some exchanges touch.

        Args:
            connection: in the transaction that wrote the candles.
            changed: per exchange.
            on_step: called between steps of the work.

        Returns:
            How many rows were evaluated.
        """
        count = 0
        for exchange, candles in changed.items():
            for part in self._parts:
                for interval in part.evaluator.group.intervals:
                    touched = touched_rows(part.evaluator.group, interval, candles)
                    scope = Scope(connection, exchange, interval)
                    spans = self._existing(scope, touched, candles)
                    count += self.store(scope, part.evaluator.group, spans)
                    on_step()
        return count

    def _existing(
        self, scope: "Scope", touched: Touched, candles: Sequence[Changed]
    ) -> dict[str, list[Span]]:
        """Return the touched spans of every product, up to the newest candle there is."""
        if not touched.own and not touched.every:
            return {}
        newest = self._newest_ends(scope)
        ends = [each.end_ms for each in candles if each.interval == scope.interval]
        beyond = max([*newest.values(), *ends], default=0) + 1
        spans = dict(touched.own)
        if touched.every:
            for product in newest:
                spans[product] = merged([*spans.get(product, ()), *touched.every])
        cut = {
            product: [
                Span(from_ms, min(to_ms, beyond)) for from_ms, to_ms in each if from_ms < beyond
            ]
            for product, each in spans.items()
        }
        return {product: each for product, each in cut.items() if each}

    def store(
        self, scope: "Scope", group: FeatureGroup, spans: Mapping[str, Sequence[Span]]
    ) -> int:
        """Evaluate and store a group's rows in some spans; return how many there are."""
        part = self._part(group)
        count = 0
        for wanted, tables in _Windows(self, scope, group).of(spans):
            rows = part.evaluator.rows(wanted, scope.interval, tables)
            self._write(scope, part, wanted, rows)
            count += len(rows.complete)
        return count

    def evaluate(
        self, scope: "Scope", group: FeatureGroup, spans: Mapping[str, Sequence[Span]]
    ) -> "list[tuple[list[tuple[str, Places]], FeatureRows]]":
        """Return the rows of some times, computed from the stored candles, without storing them."""
        part = self._part(group)
        return [
            (wanted, part.evaluator.rows(wanted, scope.interval, tables))
            for wanted, tables in _Windows(self, scope, group).of(spans)
        ]

    def _part(self, group: FeatureGroup) -> "_Part":
        return next(each for each in self._parts if each.evaluator.group is group)

    def _write(
        self,
        scope: "Scope",
        part: "_Part",
        wanted: Sequence[tuple[str, Places]],
        rows: FeatureRows,
    ) -> None:
        connection, exchange, interval = scope
        step = length_ms(interval)
        columns = [_nullable(rows.values[name]) for name in part.evaluator.group.features]
        complete = rows.complete.tolist()
        stored: list[tuple[Any, ...]] = []
        newest: list[tuple[Any, ...]] = []
        for product, times in wanted:
            for end in times.tolist():
                at = len(stored)
                values = (column[at] for column in columns)
                stored.append((exchange, product, interval, end - step, end, *values, complete[at]))
            if len(times):
                newest.append(stored[-1])
        for begin in range(0, len(stored), _ROWS_AT_ONCE):
            connection.exec_driver_sql(part.tables.upsert, stored[begin : begin + _ROWS_AT_ONCE])
        if newest:
            connection.exec_driver_sql(part.tables.upsert_latest, newest)
        self._observer.stored(part.tables.history.name, stored)
        self._tell(part, rows, len(stored))

    def _tell(self, part: "_Part", rows: FeatureRows, count: int) -> None:
        group = part.evaluator.group
        self._observer.rows(group.table, count)
        for name, undefined in rows.undefined.items():
            if undefined:
                error = rows.errors.get(name, "")
                self._observer.undefined(f"{group.name}.{name}", undefined, error)

    def _newest_ends(self, scope: "Scope") -> dict[str, int]:
        latest = self._latest.c
        found = scope.connection.execute(
            select(latest.product_id, latest.window_end).where(
                latest.exchange == scope.exchange, latest.candle_interval == scope.interval
            )
        )
        return {product: int(end) for product, end in found}

    def recent(self, scope: "Scope") -> RecentCandles:
        """Return the newest candles of an exchange and interval."""
        key, interval = (scope.exchange, scope.interval), scope.interval
        if key not in self._recent:
            self._recent[key] = RecentCandles(interval, self._lengths[interval])
        return self._recent[key]

    def reader(self, scope: "Scope") -> ReadCandles:
        """Return what reads candles within the transaction."""
        connection, exchange, interval = scope

        def read(products: Sequence[str], from_ms: int, to_ms: int) -> Iterable[Sequence[Any]]:
            for begin in range(0, len(products), _PRODUCTS_AT_ONCE):
                part = list(products[begin : begin + _PRODUCTS_AT_ONCE])
                step = length_ms(interval)
                yield from connection.execute(
                    self._queries.candles,
                    {
                        "exchange": exchange,
                        "interval": interval,
                        "products": part,
                        # By start, which is part of the key.
                        "first": from_ms - step,
                        "beyond": to_ms - step,
                    },
                )

        return read


class Scope(NamedTuple):
    """Whose rows, in which transaction."""

    connection: Connection
    exchange: str
    interval: str


class _Part(NamedTuple):
    """One group's evaluation and storage."""

    evaluator: Evaluator
    tables: GroupTables


class _Queries:
    def __init__(self, candles: Table) -> None:
        c = candles.c
        self.candles = select(
            c.product_id, c.window_end, *(c[name] for name in NUMBERS), c.complete
        ).where(
            c.exchange == bindparam("exchange"),
            c.candle_interval == bindparam("interval"),
            c.product_id.in_(bindparam("products", expanding=True)),
            c.window_start >= bindparam("first"),
            c.window_start < bindparam("beyond"),
        )


class _Windows:
    """Finds the candles of rows: among the newest where they are held, else in the database."""

    def __init__(self, store: FeatureRowsStore, scope: Scope, group: FeatureGroup) -> None:
        self._store = store
        self._scope = scope
        self._reach: Reach = reach(group, scope.interval)

    def of(
        self, spans: Mapping[str, Sequence[Span]]
    ) -> "Iterator[tuple[list[tuple[str, Places]], dict[str, CandleTable]]]":
        """Yield the existing rows in the spans, with the candles of their inputs."""
        if not spans:
            return
        newest_ms = max(each[-1].to_ms for each in spans.values()) - 1
        step = length_ms(self._scope.interval)
        recent: dict[str, list[Span]] = {}
        older: list[tuple[str, list[Span]]] = []
        for product, each in spans.items():
            for piece in _pieces(each, step * _WINDOWS_AT_ONCE):
                if self._is_recent(piece[0].from_ms, newest_ms):
                    recent.setdefault(product, []).extend(piece)
                else:
                    older.append((product, piece))
        found = self._gather(recent, self._from_recent) if recent else None
        if found and found[0]:
            yield found
        for product, piece in older:
            found = self._gather({product: piece}, self._from_database)
            if found[0]:
                yield found

    def _is_recent(self, from_ms: int, newest_ms: int) -> bool:
        """Return whether all inputs of a row are among the newest candles, once these are held."""
        return all(
            from_ms - length * length_ms(interval)
            >= self._store.recent(self._scope._replace(interval=interval)).holds_from(newest_ms)
            for interval, length in self._reach.lengths().items()
        )

    def _gather(
        self,
        spans: Mapping[str, Sequence[Span]],
        windows_of: Callable[[str, Sequence[str], int, int], StoredWindows],
    ) -> tuple[list[tuple[str, Places]], dict[str, CandleTable]]:
        first = min(each[0].from_ms for each in spans.values())
        beyond = max(each[-1].to_ms for each in spans.values())
        found = {}
        for interval, length in self._reach.lengths().items():
            products = [
                *(spans if interval in self._reach.own else ()),
                *(product for product, source in self._reach.others if source == interval),
            ]
            from_ms = first - length * length_ms(interval)
            found[interval] = windows_of(interval, products, from_ms, beyond)
        own, step = found[self._scope.interval], length_ms(self._scope.interval)
        wanted = []
        for product, each in spans.items():
            parts = [own.times(product, *span, step) for span in each]
            times = np.concatenate(parts)
            if len(times):
                wanted.append((product, times))
        return wanted, {interval: windows.table for interval, windows in found.items()}

    def _from_recent(
        self, interval: str, products: Sequence[str], _from_ms: int, to_ms: int
    ) -> StoredWindows:
        recent = self._store.recent(self._scope._replace(interval=interval))
        return recent.windows(self._reader(interval), products, to_ms - 1)

    def _from_database(
        self, interval: str, products: Sequence[str], from_ms: int, to_ms: int
    ) -> StoredWindows:
        return read_windows(self._reader(interval), interval, products, from_ms, to_ms)

    def _reader(self, interval: str) -> ReadCandles:
        return self._store.reader(self._scope._replace(interval=interval))


def _pieces(spans: Sequence[Span], length: int) -> Iterator[list[Span]]:
    """Yield spans in groups that cover at most ``length`` ms each, from first to last.

    A product's rows may be years apart, and all windows between the first and the last of a group
    take memory.
    """
    group: list[Span] = []
    for span in spans:
        for begin in range(span.from_ms, span.to_ms, length):
            part = Span(begin, min(begin + length, span.to_ms))
            if group and part.to_ms - group[0].from_ms > length:
                yield group
                group = []
            group.append(part)
    if group:
        yield group


def _nullable(numbers: "np.ndarray[Any, np.dtype[np.float64]]") -> list[float | None]:
    return [None if number != number else number for number in numbers.tolist()]  # noqa: PLR0124
