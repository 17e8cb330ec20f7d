"""Reading rows of the local feature store for the page: read-only, a page at a time."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Engine, Executable, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from dashboard.settings import DashboardSettings
from ohlc_core.errors import PipelineError
from ohlc_features.sql.engine import open_engine
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

_EXPORT_ROWS = 1_000_000
_EXPORT_CHUNK = 5_000


class StoreAwayError(RuntimeError):
    """The store cannot be read now; one line with the reason."""


class Wanted(NamedTuple):
    """Rows of one product and interval, newest first.

    Attributes:
        before_ms: windows that start before this; None: up to the newest.
        from_ms: windows that start at or after this; None: from the oldest.
    """

    exchange: str
    product: str
    interval: str
    before_ms: int | None = None
    from_ms: int | None = None


class Store:
    """The store of the settings, opened when first asked and again after a failure."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self._tables = FeatureTables(settings.feature_group_name, settings.feature_group_version)
        self._engine: Engine | None = None

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
        """Close the connections."""
        self._forget()

    def catalogue(self) -> list[dict[str, Any]]:
        """Return the newest row of each product and interval.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        return self._rows(select(self._tables.latest))

    def page(self, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """Return up to ``limit`` rows, newest first.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        return self._rows(self._query(wanted).limit(limit))

    def span(self, wanted: Wanted) -> dict[str, Any]:
        """Return the first and last window and how many rows there are.

        Raises:
            StoreAwayError: the store cannot be read.
        """
        table = self._tables.history
        query = select(
            func.min(table.c.window_start).label("first"),
            func.max(table.c.window_end).label("last"),
            func.count().label("rows"),
        ).where(*self._where(wanted))
        return self._rows(query)[0]

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

    def _where(self, wanted: Wanted) -> list[Any]:
        table = self._tables.history
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

    def _query(self, wanted: Wanted) -> Select[Any]:
        table = self._tables.history
        return select(table).where(*self._where(wanted)).order_by(table.c.window_start.desc())

    def _rows(self, query: Executable) -> list[dict[str, Any]]:
        if not self.is_readable:
            raise StoreAwayError(
                f"FEATURE_STORE={self._settings.feature_store}: its rows are not read here; "
                "what is shown comes from the topics"
            )
        try:
            if self._engine is None:
                url = store_url(self._settings.feature_store_url)
                self._engine = open_engine(url, read_only=True)
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except (SQLAlchemyError, PipelineError, OSError) as error:
            self._forget()
            raise StoreAwayError(_first_line(error)) from None

    def _forget(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


def _first_line(error: Exception) -> str:
    """Return a database's message without the statement, which is ours."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _csv(rows: list[dict[str, Any]], *, with_header: bool) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    if with_header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
