"""Postgres that fails over, waits, hangs or stands behind PgBouncer: a matter of patience."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from ohlc_features.errors import StoreUnavailableError
from ohlc_features.reading import FeatureReader
from ohlc_features.sql import postgres
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle
from support.pgbouncer import pgbouncer
from support.postgres import PostgresServer, postgres_server

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


@pytest.fixture
def store(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[LocalStore]:
    opened = LocalStore.open(server.url, _group(request), 1)
    yield opened
    opened.close()


def _group(request: pytest.FixtureRequest) -> str:
    return f"g{abs(hash(request.node.name))}"[:40]


def _count(server: PostgresServer, table: str) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(f"select count(*) from {table}").fetchone()  # type: ignore[call-overload]
        assert row is not None
        return int(row[0])


def test_server_that_is_read_only_for_a_while_takes_the_batch_later(
    server: PostgresServer, store: LocalStore, request: pytest.FixtureRequest
) -> None:
    store.write([candle(0)])

    def read_only(value: str) -> None:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            connection.execute(f"alter system set default_transaction_read_only = {value}")  # type: ignore[arg-type]
            connection.execute("select pg_reload_conf()")
            wanted = {"on": "on", "off": "off"}[value]
        while True:
            with psycopg.connect(server.url) as connection:
                row = connection.execute("show default_transaction_read_only").fetchone()
            if row == (wanted,):
                return

    read_only("on")
    try:
        with pytest.raises(StoreUnavailableError, match="read-only"):
            store.write([candle(1)])
        # Started during a failover, it goes on, too.
        LocalStore.open(server.url, _group(request), 1).close()
    finally:
        read_only("off")
    store.write([candle(1)])
    assert _count(server, f"{_group(request)}_1") == 2


@pytest.mark.parametrize(
    "limit", [("_LOCK_MS", "lock timeout"), ("_STATEMENT_MS", "statement timeout")]
)
def test_server_that_waits_for_a_lock_is_unavailable_and_nothing_is_written(
    server: PostgresServer,
    store: LocalStore,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    limit: tuple[str, str],
) -> None:
    store.write([candle(0)])
    monkeypatch.setattr(postgres, limit[0], 200)
    table = f"{_group(request)}_1"
    with psycopg.connect(server.url) as other:
        other.execute(f"lock table {table} in access exclusive mode")  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailableError, match=limit[1]):
            store.write([candle(1)])
    store.write([candle(1)])
    assert _count(server, table) == 2


def test_server_that_keeps_connections_open_and_says_nothing_is_given_up(
    server: PostgresServer,
    store: LocalStore,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 1.0)
    store.write([candle(0)])
    with server.silent():
        for _ in range(2):  # on the open connection, and on a new one
            begin = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                store.write([candle(1)])
            assert time.monotonic() - begin < 9
    store.write([candle(1)])
    assert _count(server, f"{_group(request)}_1") == 2


def test_pgbouncer_in_transaction_mode_takes_rows_from_several_writers(
    server: PostgresServer, request: pytest.FixtureRequest
) -> None:
    group = _group(request)
    with pgbouncer(server.url) as url:

        def write(product: str) -> None:
            store = LocalStore.open(url, group, 1)
            for n in range(30):
                store.write([candle(n, product_id=product), candle(n // 2, product_id="SHARED")])
            store.close()

        LocalStore.open(url, group, 1).close()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, ["A", "B", "C", "D"]))
        with FeatureReader.open(url) as _, FeatureReader.open(server.url) as _:
            pass
        assert _count(server, f"{group}_1") == 4 * 30 + 15
        assert _count(server, f"{group}_1_latest") == 5
