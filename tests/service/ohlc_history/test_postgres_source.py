"""Trades of a real PostgreSQL, read by a query that it runs itself."""

import os
import time
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError, SettingsError
from ohlc_history.read_history import Wanted, read_history
from ohlc_history.sources.query import QuerySource
from support.history_files import T0, Taken
from support.postgres import PostgresServer, postgres_server

pytestmark = pytest.mark.service

ROWS = int(os.environ.get("POSTGRES_TRADES", "20000"))
QUERY = (
    "SELECT id AS trade_id, traded_at AS timestamp, price, size AS quantity, side, "
    "symbol AS product_id FROM trades -- newest first\nORDER BY id DESC;"
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        with psycopg.connect(started.url) as connection:
            connection.execute(
                "CREATE TABLE trades (id bigint, traded_at timestamptz, price numeric(20, 8), "
                "size numeric(30, 18), side text, symbol text)"
            )
            connection.execute(
                "INSERT INTO trades SELECT n, to_timestamp(%s) + n * interval '1.5 ms', "
                "40000 + n %% 7 + 0.25, 0.000000000000000001 * n, "
                "CASE n %% 3 WHEN 0 THEN 'buy' WHEN 1 THEN 'sell' END, 'XBTUSD' "
                "FROM generate_series(1, %s) AS n",
                (T0, ROWS),
            )
        yield started


def taken(source: QuerySource, from_us: int = 0) -> Taken:
    key = ProductKey("kraken", "BTC/USD")
    return Taken(read_history(source, Wanted(key, from_us, 1 << 52)))


def test_rows_come_exact_in_the_exchanges_order(server: PostgresServer) -> None:
    began = time.perf_counter()
    source = QuerySource(QUERY, ("BTC/USD",), sequential=True, database=server.url)
    table = taken(source).table
    rate = ROWS / (time.perf_counter() - began)
    print(f"{ROWS:,} rows of PostgreSQL, {rate:,.0f} rows/s")  # noqa: T201 - shown with -s
    assert table.height == ROWS
    assert table["trade_id"][0] == "1"
    assert table.row(2)[1:4] == ("40003.25", "0.000000000000000003", "buy")
    assert table["side"][1] == "unknown"
    assert table["timestamp_us"][1] == T0 * 1_000_000 + 3_000
    assert Decimal(table["quantity"][-1]) == Decimal(ROWS).scaleb(-18)


def test_period_is_applied(server: PostgresServer) -> None:
    source = QuerySource(QUERY, ("BTC/USD",), sequential=True, database=server.url)
    assert taken(source, T0 * 1_000_000 + 15_000).ids[0] == "10"


@pytest.mark.parametrize("query", ["DELETE FROM trades RETURNING *", "SELECT nothing FROM trades"])
def test_query_that_writes_or_is_wrong_is_refused(server: PostgresServer, query: str) -> None:
    with pytest.raises(SettingsError, match="REPLAY_QUERY: "):
        QuerySource(query, ("BTC/USD",), sequential=True, database=server.url)


def test_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(FatalError, match="REPLAY_DATABASE cannot be read") as error:
        QuerySource(
            QUERY, ("BTC/USD",), sequential=True, database="postgresql://u:s3cret@127.0.0.1:1/x"
        )
    assert "s3cret" not in str(error.value)
