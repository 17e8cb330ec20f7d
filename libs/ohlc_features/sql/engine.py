"""The database of the local store: its transactions, and what its errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ohlc_features.errors import (
    StoreError,
    StoreLostError,
    StoreRejectedError,
    StoreUnavailableError,
)
from ohlc_features.sql.postgres import (
    ANSWER_SECONDS,
    AnswerDeadline,
    limit_transaction,
    postgres_engine,
)
from ohlc_features.sql.sqlite_files import (
    FileIdentity,
    file_identity,
    reading_engine,
    writing_engine,
)
from ohlc_features.sql.url import shown_url

_PASSING_SQLITE_ERRORS = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_PROTOCOL",
    "SQLITE_NOMEM",
)

# Postgres' classes of errors that pass: connection, transaction rollback (deadlock), resources,
# operator intervention (shutdown, starting up, statement_timeout), system errors.
_PASSING_POSTGRES_CLASSES = ("08", "40", "53", "57", "58")
# lock_timeout, and a server that is read-only during a failover.
_PASSING_POSTGRES_STATES = ("55P03", "25006")
_FATAL_POSTGRES_TEXTS = (
    "authentication failed",
    "does not exist",
    "no password supplied",
    "no such database",  # PgBouncer's word
)


class Database:
    """A writer's connection to the database.

    Raises:
        StoreRejectedError: the folder cannot be created, or the driver is not installed.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine = open_engine(url)
        self._file: FileIdentity | None = None
        self._deadline = None if _is_sqlite(url) else AnswerDeadline(self._engine)

    @property
    def dialect(self) -> Dialect:
        """The SQL it speaks."""
        return self._engine.dialect

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Begin a transaction; it is committed at the end, or rolled back at an error.

        On Postgres each step has `ANSWER_SECONDS`, then the connection is broken off.
        """
        if self._deadline is None:
            with self._engine.begin() as connection:
                yield connection
            return
        with self._deadline.guard(), self._engine.begin() as connection:
            limit_transaction(connection)
            yield connection
            self._deadline.extend()

    def extend_deadline(self) -> None:
        """Give the next step of a transaction the full time."""
        if self._deadline is not None:
            self._deadline.extend()

    def meaning(self, error: SQLAlchemyError) -> StoreError:
        """Return what ``error`` means to the caller."""
        if self._deadline is not None and self._deadline.has_expired:
            return StoreUnavailableError(
                f"feature store {shown_url(self._url)}: the server did not answer for "
                f"{ANSWER_SECONDS:g} s"
            )
        return store_error(error, self._url)

    def remember_file(self) -> None:
        """Note which file holds the database now."""
        self._file = file_identity(self._url) if _is_sqlite(self._url) else None

    def is_lost(self) -> bool:
        """Return whether the file was deleted or replaced since `remember_file`."""
        return self._file is not None and file_identity(self._url) != self._file

    def raise_if_lost(self) -> None:
        """Raise StoreLostError where `is_lost`: what was written since then is nowhere."""
        if self.is_lost():
            self.close()
            raise StoreLostError(
                f"the file of feature store {shown_url(self._url)} was deleted or replaced while "
                "it was in use; nothing more is committed"
            )

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_engine(url: URL, *, read_only: bool = False) -> Engine:
    """Return an engine for ``url``; a SQLite file's folder is created unless it is only read.

    Raises:
        StoreRejectedError: the folder cannot be created or read, or the driver is not installed.
    """
    if _is_sqlite(url):
        return reading_engine(url) if read_only else writing_engine(url)
    return postgres_engine(url)


def store_error(error: SQLAlchemyError, url: URL) -> StoreError:
    """Return what ``error`` means to the caller, in one line that names the database."""
    shown = shown_url(url)
    if not isinstance(error, DBAPIError):
        return StoreRejectedError(f"feature store {shown}: {_one_line(error)}")
    text = f"feature store {shown}: {_one_line(error.orig)}"
    passes = _passes_sqlite if _is_sqlite(url) else _passes_postgres
    return StoreUnavailableError(text) if passes(error) else StoreRejectedError(text)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _passes_sqlite(error: DBAPIError) -> bool:
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    return name.startswith(_PASSING_SQLITE_ERRORS)


def _passes_postgres(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith((*_PASSING_POSTGRES_CLASSES, *_PASSING_POSTGRES_STATES))
    # Without a state nothing was said by the server's SQL layer: it is about the connection.
    return not any(text in str(error.orig) for text in _FATAL_POSTGRES_TEXTS)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
