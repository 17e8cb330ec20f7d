"""Reading the local store: SQLite through Arrow, Postgres through its driver."""

from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Select, Table, func, select
from sqlalchemy.exc import SQLAlchemyError

from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading.frames import feature_frame
from ohlc_features.reading.source import CandleRange, Span
from ohlc_features.sql.engine import open_engine, sqlite_read_only_uri, store_error
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url

_IDS = ("first_trade_id", "last_trade_id")


class LocalSource:
    """The tables at FEATURE_STORE_URL. A writer may be writing to them meanwhile."""

    def __init__(self, url: str, group: str, version: int) -> None:
        self._url = store_url(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._tables = FeatureTables(group, version)
        path = Path(self._url.database or "")
        if self._is_sqlite and not path.is_file():
            raise StoreRejectedError(
                f"there is no feature store at {path}; run the feature writer first, or correct "
                "FEATURE_STORE_URL"
            )
        self._engine = open_engine(self._url, read_only=True)

    def history(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the candles of the range."""
        table = self._tables.history
        query = _rows(table).where(*_of(wanted, table))
        if wanted.start_ms is not None:
            query = query.where(table.c.window_start >= wanted.start_ms)
        if wanted.end_ms is not None:
            query = query.where(table.c.window_start < wanted.end_ms)
        return feature_frame(self._read(query))

    def latest(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the newest candle of each product of the range."""
        table = self._tables.latest
        query = _rows(table).where(*_of(wanted, table))
        if self._is_sqlite:
            # A few rows: the connection at hand is quicker than a bulk reader's start.
            return feature_frame(self._read_slowly(query))
        return feature_frame(self._read(query))

    def last_start_known_at(self, wanted: CandleRange, moment_ms: int) -> int | None:
        """Return the earliest of the products' last windows that had ended by ``moment_ms``."""
        table = self._tables.history
        last = (
            select(func.max(table.c.window_start).label("start"))
            .where(*_of(wanted, table), table.c.window_end <= moment_ms)
            .group_by(table.c.product_id)
            .subquery()
        )
        frame = self._read_slowly(select(func.min(last.c.start).label("start")))
        start = frame["start"].item()
        return None if start is None else int(start)

    def span(self, exchange: str, product_id: str, interval: str | None = None) -> Span | None:
        """Return what the store holds of the product (of one interval), or None."""
        c = self._tables.history.c
        query = select(
            func.min(c.window_start).label("first"), func.max(c.window_end).label("end")
        ).where(c.exchange == exchange, c.product_id == product_id)
        if interval is not None:
            query = query.where(c.candle_interval == interval)
        first, end = self._read_slowly(query).row(0)
        return None if first is None else Span(int(first), int(end))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _read(self, query: Select[Any]) -> pl.DataFrame:
        """Return a query's rows; from SQLite ten times faster than row by row."""
        if not self._is_sqlite:
            return self._read_slowly(query)
        from adbc_driver_manager import DatabaseError
        from adbc_driver_sqlite import dbapi

        compiled = query.compile(
            dialect=self._engine.dialect, compile_kwargs={"render_postcompile": True}
        )
        names = getattr(compiled, "positiontup", None) or ()
        values = tuple(compiled.params[name] for name in names)
        try:
            with (
                dbapi.connect(sqlite_read_only_uri(self._url)) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(str(compiled), values)
                frame: pl.DataFrame = cursor.fetch_polars()
                return frame
        except DatabaseError as error:
            raise StoreRejectedError(f"feature store {self._url.database}: {error}") from None

    def _read_slowly(self, query: Select[Any]) -> pl.DataFrame:
        try:
            with self._engine.connect() as connection:
                result = connection.execute(query)
                return pl.DataFrame(
                    [tuple(row) for row in result],
                    schema=list(result.keys()),
                    orient="row",
                    infer_schema_length=None,
                )
        except SQLAlchemyError as error:
            raise store_error(error, self._url) from None


def _rows(table: Table) -> Select[Any]:
    """Select every column; ids and buy_volume never null; see `feature_frame`.

    SQLite's values have types and its columns have none, so a bulk reader takes a column's type
    from its first rows and refuses a text after a thousand nulls.
    """
    columns: list[ColumnElement[Any]] = []
    for column in table.columns:
        if column.name in _IDS:
            columns.append(func.coalesce(column, "").label(column.name))
        elif column.name == "buy_volume":
            columns.append(func.coalesce(column, -1.0).label(column.name))
        else:
            columns.append(column)
    return select(*columns)


def _of(wanted: CandleRange, table: Table) -> list[ColumnElement[bool]]:
    conditions = [
        table.c.exchange == wanted.exchange,
        table.c.candle_interval == wanted.interval,
    ]
    if wanted.product_ids is not None:
        conditions.append(table.c.product_id.in_(wanted.product_ids))
    return conditions
