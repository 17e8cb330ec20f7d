"""Opening the database of the local store, and telling its errors apart."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ohlc_features.errors import StoreError, StoreRejectedError, StoreUnavailableError

#: Seconds SQLite waits for another writer, or for a reader that blocks a checkpoint, before it
#: says "database is locked"; short enough to leave a consumer time to poll.
_LOCK_TIMEOUT_SECONDS = 5

#: The write-ahead log is cut back to this size after a checkpoint; without it, one long reader
#: would leave a log of its largest size for ever.
_LOG_SIZE_LIMIT_BYTES = 64 * 1024 * 1024

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
# operator intervention (shutdown, starting up), system errors.
_PASSING_POSTGRES_CLASSES = ("08", "40", "53", "57", "58")
_FATAL_POSTGRES_TEXTS = ("authentication failed", "does not exist", "no password supplied")


def open_engine(url: URL, *, read_only: bool = False) -> Engine:
    """Return an engine for ``url``; a SQLite file's folder is created unless it is only read.

    Raises:
        StoreRejectedError: the folder can not be created, or the driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_reader(url) if read_only else _sqlite(url)
    try:
        # Positional parameters, so that both databases take the same rows.
        return create_engine(
            url, paramstyle="format", pool_pre_ping=True, connect_args={"connect_timeout": 5}
        )
    except ModuleNotFoundError as error:
        raise StoreRejectedError(
            f"FEATURE_STORE_URL names Postgres, but {error.name} is not installed; "
            "install the extra: pip install 'ohlc-pipeline[postgres]'"
        ) from None


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreRejectedError(
            f"the folder of the feature store, {path.parent}, can not be created "
            f"({error.strerror}); make it writable or change FEATURE_STORE_URL"
        ) from None
    engine = create_engine(url, connect_args={"timeout": _LOCK_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def sqlite_read_only_uri(url: URL) -> str:
    """Return SQLite's own name of the file, opened such that nothing of it can be changed."""
    return f"file:{quote(url.database or '')}?mode=ro"


def _sqlite_reader(url: URL) -> Engine:
    database = sqlite_read_only_uri(url)

    def connect() -> sqlite3.Connection:
        # Any thread may use it, one at a time: the pool sees to that.
        return sqlite3.connect(
            database, uri=True, timeout=_LOCK_TIMEOUT_SECONDS, check_same_thread=False
        )

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
    """Readers never wait for the writer; a commit survives a power cut, as offsets follow it."""
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA journal_size_limit={_LOG_SIZE_LIMIT_BYTES}")
    finally:
        cursor.close()


def store_error(error: SQLAlchemyError, url: URL) -> StoreError:
    """Return what ``error`` means to the caller, in one line that names the database."""
    shown = url.render_as_string(hide_password=True)
    if not isinstance(error, DBAPIError):
        return StoreRejectedError(f"feature store {shown}: {_one_line(error)}")
    text = f"feature store {shown}: {_one_line(error.orig)}"
    passes = _passes_sqlite if url.get_backend_name() == "sqlite" else _passes_postgres
    return StoreUnavailableError(text) if passes(error) else StoreRejectedError(text)


def _passes_sqlite(error: DBAPIError) -> bool:
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    return name.startswith(_PASSING_SQLITE_ERRORS)


def _passes_postgres(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_PASSING_POSTGRES_CLASSES)
    # Without a state nothing was said by the server's SQL layer: it is about the connection.
    return not any(text in str(error.orig) for text in _FATAL_POSTGRES_TEXTS)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
