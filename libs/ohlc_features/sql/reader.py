"""Reading the local store: SQLite through its own connections, Postgres through its driver."""

from typing import Any

import polars as pl
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading.frames import TIME, feature_frame, frame_of_rows
from ohlc_features.reading.groups import StoredFeature, StoredGroup, group_frame
from ohlc_features.reading.source import CandleRange, LatestRow, Span
from ohlc_features.schema import ONLINE_KEY, REPLACED_AT
from ohlc_features.sql.engine import open_engine, store_error
from ohlc_features.sql.queries import NAMED_BY_RANGE, Queries, Query
from ohlc_features.sql.sqlite_reader import SqliteReader
from ohlc_features.sql.store import check_tables
from ohlc_features.sql.tables import FeatureTables
from ohlc_features.sql.url import store_url


class LocalSource:
    """The tables at FEATURE_STORE_URL. A writer may be writing to them meanwhile.

    Raises:
        StoreUnavailableError: the database cannot be reached at the moment.
        StoreRejectedError: there is no store, or one of an older version.
    """

    def __init__(self, url: str, group: str, version: int) -> None:
        self._url = store_url(url)
        self._engine = open_engine(self._url, read_only=True)
        is_sqlite = self._url.get_backend_name() == "sqlite"
        self._sqlite = SqliteReader(self._url) if is_sqlite else None
        self._tables = FeatureTables(group, version)
        self._queries = Queries(self._tables, self._engine.dialect)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        """Refuse tables of an older version in words, before a query stumbles over them."""
        try:
            with self._engine.connect() as connection:
                if not inspect(connection).has_table(self._tables.history.name):
                    return  # a writer may be about to make it
                check_tables(connection, self._tables)
        except SQLAlchemyError as error:
            raise store_error(error, self._url) from None

    def history(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the candles of the range."""
        raw = self._candle_frame(self._queries.history(wanted), wanted)
        # Postgres orders texts by the language.
        return feature_frame(raw, is_sorted=self._sqlite is not None)

    def latest(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the newest complete candle of each product of the range."""
        rows = self._rows(self._queries.latest(wanted))
        rows.sort()
        return frame_of_rows(rows)

    def versions(self, wanted: CandleRange) -> pl.DataFrame:
        """Return every row that the range's windows ever had."""
        raw = self._candle_frame(self._queries.versions(wanted), wanted)
        replaced = raw[REPLACED_AT].cast(pl.Int64).replace(0, None).cast(TIME)
        return feature_frame(raw, is_sorted=True).with_columns(replaced)

    def last_start_known_at(self, wanted: CandleRange, moment_ms: int) -> int | None:
        """Return the earliest of the products' last windows that had ended by ``moment_ms``."""
        starts = self._rows(self._queries.last_starts(wanted, moment_ms))
        return min((int(start) for (start,) in starts), default=None)

    def span(self, exchange: str, product_id: str, interval: str | None = None) -> Span | None:
        """Return what the store holds of the product (of one interval), or None."""
        ((first, end),) = self._rows(self._queries.span(exchange, product_id, interval))
        return None if first is None else Span(int(first), int(end))

    def keys(self) -> pl.DataFrame:
        """Return what has a newest row."""
        rows = self._rows(self._queries.keys())
        return pl.DataFrame(rows, schema=dict.fromkeys(ONLINE_KEY, pl.String), orient="row")

    def definitions(self) -> list[StoredFeature]:
        """Return the features of every group that was written to the store."""
        try:
            return [StoredFeature._make(row) for row in self._rows(self._queries.definitions())]
        except StoreRejectedError as error:
            if "no such table" in str(error) or "does not exist" in str(error):
                return []
            raise

    def feature_rows(self, group: StoredGroup, wanted: CandleRange) -> pl.DataFrame:
        """Return a group's rows of the range."""
        return group_frame(self._frame(self._queries.feature_rows(group, wanted)), group)

    def latest_feature_row(self, group: StoredGroup, wanted: CandleRange) -> LatestRow | None:
        """Return the newest row of the range's one product."""
        query = self._queries.latest_feature_row(group, wanted)
        for end, *values, complete, candle_end in self._rows(query):
            return LatestRow(int(end), values, bool(complete), int(candle_end or 0))
        return None

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()
        if self._sqlite is not None:
            self._sqlite.close()

    def _rows(self, query: Query) -> list[tuple[Any, ...]]:
        if self._sqlite is not None:
            return self._sqlite.rows(query)
        try:
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(*query)]
        except SQLAlchemyError as error:
            raise store_error(error, self._url) from None

    def _candle_frame(self, query: Query, wanted: CandleRange) -> pl.DataFrame:
        names = (wanted.exchange, wanted.interval)
        return self._frame(query).with_columns(
            pl.lit(value).alias(name) for name, value in zip(NAMED_BY_RANGE, names, strict=True)
        )

    def _frame(self, query: Query) -> pl.DataFrame:
        if self._sqlite is not None:
            return self._sqlite.frame(query)
        try:
            with self._engine.connect() as connection:
                result = connection.exec_driver_sql(*query)
                return pl.DataFrame(
                    [tuple(row) for row in result],
                    schema=list(result.keys()),
                    orient="row",
                    infer_schema_length=None,
                )
        except SQLAlchemyError as error:
            raise store_error(error, self._url) from None
