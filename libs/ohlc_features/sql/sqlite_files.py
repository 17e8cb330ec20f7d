"""Opening SQLite files: for writing in WAL mode, for reading without changing anything."""

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from ohlc_features.errors import StoreRejectedError

#: Seconds SQLite waits for another writer, or for a reader that blocks a checkpoint, before it
#: says "database is locked"; short enough to leave a consumer time to poll.
LOCK_TIMEOUT_SECONDS = 5

#: The write-ahead log is cut back to this size after a checkpoint; without it, one long reader
#: would leave a log of its largest size for ever.
_LOG_SIZE_LIMIT_BYTES = 64 * 1024 * 1024


def writing_engine(url: URL) -> Engine:
    """Return an engine that creates the file's folder and writes in WAL mode.

    Raises:
        StoreRejectedError: the folder cannot be created.
    """
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreRejectedError(
            f"the folder of the feature store, {path.parent}, cannot be created "
            f"({error.strerror}); make it writable or change FEATURE_STORE_URL"
        ) from None
    timeout = {} if "timeout" in url.query else {"timeout": LOCK_TIMEOUT_SECONDS}
    engine = create_engine(url, connect_args=timeout)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def reading_engine(url: URL) -> Engine:
    """Return an engine that cannot change the file.

    Raises:
        StoreRejectedError: there is no file, or it cannot be read from a folder that is read-only.
    """
    path = Path(url.database or "")
    if not path.is_file():
        raise StoreRejectedError(absent(path))
    uri = read_only_uri(url)

    def connect() -> sqlite3.Connection:
        # Any thread may use it, one at a time: the pool sees to that.
        return sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS, check_same_thread=False)

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)


#: The device and inode of a file.
FileIdentity = tuple[int, int]


def file_identity(url: URL) -> FileIdentity | None:
    """Return what distinguishes the file from another of its name; None where there is none."""
    try:
        status = Path(url.database or "").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def require_file(url: URL) -> None:
    """Refuse a SQLite file that is not there, where a command must not make one.

    Raises:
        StoreRejectedError: there is none.
    """
    if url.get_backend_name() == "sqlite" and file_identity(url) is None:
        raise StoreRejectedError(absent(Path(url.database or "")))


def absent(path: Path) -> str:
    """Return what to say of a store that is not there."""
    return (
        f"there is no feature store at {path}; run the feature writer first, or correct "
        "FEATURE_STORE_URL"
    )


def read_only_uri(url: URL) -> str:
    """Return SQLite's own name of the file, opened such that nothing of it can be changed.

    A reader of a file in WAL mode makes two small files beside it, unless a writer has. Where the
    folder is read-only and no writer runs, the file is opened as one that does not change.

    Raises:
        StoreRejectedError: the last writer was killed and its log can only be read by a process
            that may write into the folder.
    """
    path = Path(url.database or "")
    name = f"file:{quote(str(path))}?mode=ro"
    if is_unchanging(path):
        return f"{name}&immutable=1"
    log = _beside(path, "-wal")
    if (
        _size(log)
        and not _beside(path, "-shm").exists()
        and path.is_file()
        and not os.access(path.parent, os.W_OK)
    ):
        raise StoreRejectedError(
            f"the folder {path.parent} is read-only, and {log.name} in it holds rows that only a "
            "process that may write there can read; make the folder writable, or let the feature "
            "writer finish"
        )
    return name


def is_unchanging(path: Path) -> bool:
    """Return whether nobody writes to the file: a read-only folder without a writer's log."""
    return (
        path.is_file() and not os.access(path.parent, os.W_OK) and not _size(_beside(path, "-wal"))
    )


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
    """Readers never wait for the writer; a commit survives a power cut, as offsets follow it."""
    connection.isolation_level = None  # transactions begin as `_begin` says
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA journal_size_limit={_LOG_SIZE_LIMIT_BYTES}")
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    """Take the one writer's lock before looking, so that what was seen still holds at the end."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
