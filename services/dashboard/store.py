"""Reading rows of the local feature store for the page: read-only, a page at a time."""

import csv
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Executable,
    Select,
    func,
    inspect,
    select,
)
from sqlalchemy import table as named_table
from sqlalchemy.exc import SQLAlchemyError

from dashboard.settings import DashboardSettings
from ohlc_core.errors import PipelineError
from ohlc_features.sql.engine import open_engine
from ohlc_features.sql.feature_tables import DEFINITIONS
from ohlc_features.sql.feature_tables import LEADING as GROUP_LEADING
from ohlc_features.sql.store import check_tables
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

_EXPORT_ROWS = 1_000_000
_EXPORT_CHUNK = 5_000
_LOOK_AGAIN_SECONDS = 30.0
_PREDICTIONS = "predictions"
_CLOSE_SECONDS = 2.0

T = TypeVar("T")
Row = dict[str, Any]


class StoreAwayError(RuntimeError):
    """The store cannot be read now; one line with the reason."""


class NoGroupError(ValueError):
    """The store has no feature group of this name."""


class Wanted(NamedTuple):
    """Rows of one product and interval, newest first.

    Attributes:
        group: a feature group as ``groups`` names it; "": the candles.
        before_ms: windows that start before this; None: up to the newest.
        from_ms: windows that start at or after this; None: from the oldest.
    """

    exchange: str
    product: str
    interval: str
    before_ms: int | None = None
    from_ms: int | None = None
    group: str = ""


class Store:
    """The store of the settings, opened when first asked and again after a failure."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self._tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)
        self._engine: Engine | None = None
        self._is_checked = False
        # Requests are served by several threads; one engine is theirs.
        self._idle = threading.Condition(threading.RLock())
        self._reads = 0
        self._live_since: dict[Wanted, tuple[float, int | None]] = {}

    @property
    def name(self) -> str:
        """What it is, without a password."""
        if self._settings.feature_store != "local":
            return self._settings.feature_store
        url = store_url(self._settings.feature_store_url)
        return url.render_as_string(hide_password=True)

    @property
    def is_readable(self) -> bool:
        """Whether this kind of store can be read here."""
        return self._settings.feature_store == "local"

    def close(self) -> None:
        """Close the connections, once the reads that are under way are over."""
        with self._idle:
            self._idle.wait_for(lambda: not self._reads, _CLOSE_SECONDS)
        self._forget()

    def catalogue(self) -> list[Row]:
        """Return the newest row of each product and interval.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        return self._rows(select(self._tables.latest))

    def page(self, wanted: Wanted, limit: int) -> list[Row]:
        """Return up to ``limit`` rows, newest first.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        return self._rows(self._query(wanted).limit(limit))

    def span(self, wanted: Wanted) -> Row:
        """Return the first and last window and how many rows there are.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        table = self._table(wanted)
        query = (
            select(
                func.min(table.c.window_start).label("first"),
                func.max(table.c.window_end).label("last"),
                func.count().label("rows"),
            )
            .select_from(table)
            .where(*_where(table, wanted))
        )
        return self._rows(query)[0]

    def groups(self) -> list[Row]:
        """Return the feature groups, each with its table and features.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        names = ("feature_group", "version", "feature", "unit", "description")
        table = named_table(DEFINITIONS, *(Column[Any](name) for name in names))
        query = select(table).order_by(table.c.feature_group, table.c.version, table.c.feature)
        groups: dict[str, list[Row]] = {}
        for row in self._rows_of(DEFINITIONS, query):
            features = groups.setdefault(f"{row['feature_group']}_{row['version']}", [])
            features.append(
                {"name": row["feature"], "unit": row["unit"], "about": row["description"]}
            )
        return [{"table": name, "features": features} for name, features in groups.items()]

    def predictions(self, wanted: Wanted, limit: int) -> list[Row]:
        """Return up to ``limit`` rows of the table ``predictions``, newest first.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        key = ("exchange", "product_id", "candle_interval")
        names = (*key, "window_end", "horizon", "value", "made_at")
        table = named_table(_PREDICTIONS, *(Column[Any](name) for name in names))
        values = (wanted.exchange, wanted.product, wanted.interval)
        query = select(table).where(
            *(table.c[name] == value for name, value in zip(key, values, strict=True))
        )
        if wanted.before_ms is not None:
            query = query.where(table.c.window_end < wanted.before_ms)
        return self._rows_of(_PREDICTIONS, query.order_by(table.c.window_end.desc()).limit(limit))

    def live_since(self, wanted: Wanted) -> int | None:
        """Return where live took over from a backfill: its first window; None where it did not.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        key = Wanted(wanted.exchange, wanted.product, wanted.interval)
        at, found = self._live_since.get(key, (-_LOOK_AGAIN_SECONDS, None))
        if time.monotonic() - at < _LOOK_AGAIN_SECONDS:
            return found
        table = self._tables.history

        def first(origin: str, after: int) -> int | None:
            query = (
                select(table.c.window_start)
                .where(*_where(table, key), table.c.origin == origin, table.c.window_start > after)
                .order_by(table.c.window_start)
                .limit(1)
            )
            return next((int(row["window_start"]) for row in self._rows(query)), None)

        replayed = first("backfill", -1)
        found = None if replayed is None else first("live", replayed)
        self._live_since[key] = (time.monotonic(), found)
        return found

    def export(self, wanted: Wanted, kind: str) -> Iterator[bytes]:
        """Yield the rows as CSV or JSON Lines, at most a million, newest first.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        left, before = _EXPORT_ROWS, wanted.before_ms
        is_first = True
        while left > 0:
            rows = self.page(wanted._replace(before_ms=before), min(_EXPORT_CHUNK, left))
            if not rows:
                return
            yield _csv(rows, with_header=is_first) if kind == "csv" else _lines(rows)
            is_first = False
            left -= len(rows)
            before = rows[-1]["window_start"]

    def parquet(self, wanted: Wanted) -> bytes:
        """Return the rows as a Parquet file, at most a million.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        import polars as pl

        rows = self.page(wanted, _EXPORT_ROWS)
        file = io.BytesIO()
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(file)
        return file.getvalue()

    def _table(self, wanted: Wanted) -> Any:  # noqa: ANN401 - a table, whatever made it
        if not wanted.group:
            return self._tables.history
        for group in self.groups():
            if group["table"] == wanted.group:
                features = (feature["name"] for feature in group["features"])
                columns = (Column[Any](name) for name in (*GROUP_LEADING, *features))
                return named_table(wanted.group, *columns, Column("complete", Boolean))
        raise NoGroupError(f"group: the store has no {wanted.group!r}")

    def _query(self, wanted: Wanted) -> Select[Any]:
        table = self._table(wanted)
        query = select(table).where(*_where(table, wanted))
        return query.order_by(table.c.window_start.desc())

    def _rows(self, query: Executable) -> list[Row]:
        return self._read(lambda connection: _mappings(connection, query))

    def _rows_of(self, table: str, query: Executable) -> list[Row]:
        """Return the rows of a table that need not be there."""

        def read(connection: Connection) -> list[Row]:
            return _mappings(connection, query) if inspect(connection).has_table(table) else []

        return self._read(read)

    def _read(self, read: Callable[[Connection], T]) -> T:
        if not self.is_readable:
            raise StoreAwayError(
                f"FEATURE_STORE={self._settings.feature_store}: its rows are not read here; "
                "what is shown comes from the topics"
            )
        try:
            with self._in_use() as engine, engine.connect() as connection:
                self._check(connection)
                return read(connection)
        except (SQLAlchemyError, PipelineError, OSError) as error:
            self._forget()
            raise StoreAwayError(_first_line(error)) from None

    def _check(self, connection: Connection) -> None:
        """Refuse tables of another version in words, before a query stumbles over them."""
        if not self._is_checked:
            check_tables(connection, self._tables)
            self._is_checked = True

    @contextmanager
    def _in_use(self) -> Iterator[Engine]:
        """Yield the engine, opened by whichever request comes first; `close` waits for its end."""
        with self._idle:
            if self._engine is None:
                url = store_url(self._settings.feature_store_url)
                self._engine = open_engine(url, read_only=True)
            engine = self._engine
            self._reads += 1
        try:
            yield engine
        finally:
            with self._idle:
                self._reads -= 1
                self._idle.notify_all()

    def _forget(self) -> None:
        with self._idle:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None
                self._is_checked = False


def _mappings(connection: Connection, query: Executable) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _where(table: Any, wanted: Wanted) -> list[Any]:  # noqa: ANN401 - a table, whatever made it
    conditions = [
        table.c.exchange == wanted.exchange,
        table.c.product_id == wanted.product,
        table.c.candle_interval == wanted.interval,
    ]
    if wanted.before_ms is not None:
        conditions.append(table.c.window_start < wanted.before_ms)
    if wanted.from_ms is not None:
        conditions.append(table.c.window_start >= wanted.from_ms)
    return conditions


def _first_line(error: Exception) -> str:
    """Return a database's message without the statement, which is ours."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _csv(rows: list[Row], *, with_header: bool) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    if with_header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
