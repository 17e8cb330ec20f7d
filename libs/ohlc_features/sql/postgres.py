"""Connections to Postgres that never wait for ever, with or without PgBouncer before it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event

from ohlc_features.errors import StoreRejectedError

_CONNECT_SECONDS = 5

#: Seconds without an answer after which a connection is given up. The server's own limit is
#: shorter, so that a busy server says what it waits for and only a silent one is hung up on.
ANSWER_SECONDS = 10.0
_STATEMENT_MS = 8_000
_LOCK_MS = 5_000

_CONNECTION: dict[str, object] = {
    "connect_timeout": _CONNECT_SECONDS,
    # PgBouncer may give each transaction another server, which has not prepared anything.
    "prepare_threshold": None,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def postgres_engine(url: URL) -> Engine:
    """Return an engine for ``url``.

    Raises:
        StoreRejectedError: the driver is not installed.
    """
    try:
        # Positional parameters, so that both databases take the same rows.
        return create_engine(
            url, paramstyle="format", pool_pre_ping=True, connect_args=dict(_CONNECTION)
        )
    except ModuleNotFoundError as error:
        raise StoreRejectedError(
            f"FEATURE_STORE_URL names Postgres, but {error.name} is not installed; "
            "install the extra: pip install 'ohlc-pipeline[postgres]'"
        ) from None


def limit_transaction(connection: Connection) -> None:
    """Let the server give up before we do; for this transaction only, as PgBouncer allows."""
    connection.exec_driver_sql(
        f"SET LOCAL statement_timeout = {_STATEMENT_MS}; SET LOCAL lock_timeout = {_LOCK_MS}"
    )


class AnswerDeadline:
    """Hangs up on a server that keeps the connection open and says nothing.

    No setting of the driver does: a stopped server's kernel still acknowledges packets.

    Attributes:
        has_expired: whether the last guarded call was ended by it.
    """

    def __init__(self, engine: Engine) -> None:
        self.has_expired = False
        self._connections: WeakSet[Any] = WeakSet()
        self._until = 0.0
        event.listen(engine, "connect", lambda connection, _: self._connections.add(connection))

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Hang up unless what is done within ends, or extends its time, soon enough."""
        self.has_expired = False
        self.extend()
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def extend(self) -> None:
        """Give the next step the full time."""
        self._until = time.monotonic() + ANSWER_SECONDS

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(max(0.0, self._until - time.monotonic())):
            if time.monotonic() >= self._until:
                self.has_expired = True
                for connection in list(self._connections):
                    _hang_up(connection)
                self.extend()  # a connection made later in this call has its own time


def _hang_up(connection: Any) -> None:  # noqa: ANN401 - psycopg's
    with suppress(Exception), socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
