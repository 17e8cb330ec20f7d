"""Reading a SQLite store: few rows by the standard library, many through Arrow."""

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import finalize

import polars as pl
from sqlalchemy import URL

from ohlc_features.errors import StoreError, StoreRejectedError, StoreUnavailableError
from ohlc_features.sql.queries import Query
from ohlc_features.sql.sqlite_files import (
    LOCK_TIMEOUT_SECONDS,
    absent,
    is_unchanging,
    read_only_uri,
)

_BATCH_ROWS = 65_536
_PASSING = ("locked", "busy")


class SqliteReader:
    """Reads one file; for any thread, one short query at a time.

    The connection for short queries stays open. It is opened again only where the path is another
    file by now.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._path = Path(url.database or "")
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        self._file: tuple[int, ...] = ()
        self._end = finalize(self, _close, self._open)

    def rows(self, query: Query) -> list[tuple[Any, ...]]:
        """Return the rows of a short query."""
        with self._lock:
            try:
                return self._connection().execute(query.text, query.values).fetchall()
            except sqlite3.Error as error:
                _close(self._open)
                raise self._meaning(error) from None

    def frame(self, query: Query) -> pl.DataFrame:
        """Return the rows of a long query, ten times faster than row by row."""
        from adbc_driver_manager import Error
        from adbc_driver_sqlite import dbapi

        options = {"adbc.sqlite.query.batch_rows": _BATCH_ROWS}
        try:
            with (
                dbapi.connect(read_only_uri(self._url)) as connection,
                connection.cursor(adbc_stmt_kwargs=options) as cursor,
            ):
                cursor.execute(query.text, query.values)
                frame: pl.DataFrame = cursor.fetch_polars()
                return frame
        except Error as error:
            raise self._meaning(error) from None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            _close(self._open)

    def _connection(self) -> sqlite3.Connection:
        file = self._look()
        if file != self._file or not self._open:
            _close(self._open)
            self._open.append(
                sqlite3.connect(
                    read_only_uri(self._url),
                    uri=True,
                    timeout=LOCK_TIMEOUT_SECONDS,
                    check_same_thread=False,
                )
            )
            self._file = file
        return self._open[0]

    def _look(self) -> tuple[int, ...]:
        """Return which file is at the path."""
        try:
            stat = self._path.stat()
        except OSError:
            raise StoreRejectedError(absent(self._path)) from None
        if is_unchanging(self._path):
            # It is read as one that does not change, until it does.
            return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
        return stat.st_dev, stat.st_ino

    def _meaning(self, error: Exception) -> StoreError:
        text = f"feature store {self._path}: {' '.join(str(error).split())}"
        if "no such table" in text:
            return StoreRejectedError(f"{text}; run the feature writer first")
        passes = any(word in text for word in _PASSING)
        return StoreUnavailableError(text) if passes else StoreRejectedError(text)


def _close(connections: list[sqlite3.Connection]) -> None:
    while connections:
        with suppress(sqlite3.Error):
            connections.pop().close()
