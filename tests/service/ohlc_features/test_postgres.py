"""The local store in Postgres: the same tables, rules and reading calls as in SQLite."""

import random
from collections.abc import Iterator

import polars as pl
import pytest
from sqlalchemy import create_engine, inspect, text

from ohlc_core.domain.candle import Candle
from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.reading import FeatureReader
from ohlc_features.rules import newest_revisions, newest_windows
from ohlc_features.schema import FeatureRow, feature_row
from ohlc_features.sql.store import LocalStore
from ohlc_features.sql.url import store_url
from support.candle_records import MONDAY_MS, candle
from support.feature_db import expected_rows
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


def _rows(server: PostgresServer, table: str) -> list[FeatureRow]:
    engine = create_engine(store_url(server.url))
    try:
        with engine.connect() as connection:
            # As SQLite and Python order texts.
            order = 'exchange collate "C", product_id collate "C", candle_interval, window_start'
            found = connection.execute(text(f"select * from {table} order by {order}"))
            return [FeatureRow(*row) for row in found]
    finally:
        engine.dispose()


def test_any_order_and_repetition_give_the_newest_revisions(
    server: PostgresServer, store: LocalStore, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(3)
    candles = [
        candle(rng.randrange(20), product_id=f"P{rng.randrange(4)}", revision=r, close=str(r + 1))
        for r in (rng.randrange(4) for _ in range(300))
    ]
    candles = sorted(newest_of_each(candles), key=lambda _: rng.random()) * 2
    for begin in range(0, len(candles), 37):
        store.write(candles[begin : begin + 37])
    expected = expected_rows(candles)
    assert _rows(server, f"{_group(request)}_1") == expected.history
    assert _rows(server, f"{_group(request)}_1_latest") == expected.latest


def newest_of_each(candles: list[Candle]) -> list[Candle]:
    """Return one candle a window and revision: equal revisions are equal candles."""
    return list({(c.product_id, c.window_start_ms, c.revision): c for c in candles}.values())


def test_layout_is_the_contracts(
    server: PostgresServer, store: LocalStore, request: pytest.FixtureRequest
) -> None:
    store.write([candle()])
    engine = create_engine(store_url(server.url))
    table = f"{_group(request)}_1"
    columns = {each["name"]: str(each["type"]) for each in inspect(engine).get_columns(table)}
    key = inspect(engine).get_pk_constraint(f"{table}_latest")["constrained_columns"]
    engine.dispose()
    assert columns["window_start"] == columns["window_end"] == "BIGINT"
    assert columns["vwap"] == "DOUBLE PRECISION"
    assert (columns["complete"], columns["trade_count"]) == ("BOOLEAN", "INTEGER")
    assert key == ["exchange", "product_id", "candle_interval"]


def test_reading_gives_the_same_frames_as_from_sqlite(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    candles = [candle(n, product_id=p) for p in ("BTC/USD", "ETH/USD") for n in range(9)]
    candles.append(candle(12, first_trade_id=None, last_trade_id=None))
    folder = tmp_path_factory.mktemp("sqlite")
    frames = []
    labels = pl.DataFrame({"product_id": ["BTC/USD"], "time": [MONDAY_MS + 150_000]})
    for url in (server.url, f"sqlite:///{folder}/features.db"):
        store = LocalStore.open(url, "ohlc", 1)
        store.write(candles)
        store.close()
        with FeatureReader.open(url) as reader:
            frames.append(
                [
                    reader.candles("kraken", None, "1m"),
                    reader.candles("kraken", "BTC/USD", "1m", MONDAY_MS, fill_gaps=True),
                    reader.candles("kraken", "NONE", "1m"),
                    reader.latest("kraken", ["ETH/USD", "BTC/USD"], "1m"),
                    reader.as_of(labels, "kraken", "1m"),
                ]
            )
    for one, other in zip(*frames, strict=True):
        assert one.equals(other)


def test_server_that_goes_away_is_unavailable_and_takes_the_batch_later(
    server: PostgresServer, store: LocalStore, request: pytest.FixtureRequest
) -> None:
    store.write([candle(0)])
    server.stop()
    try:
        with pytest.raises(StoreUnavailableError):
            store.write([candle(1)])
    finally:
        server.start()
    store.write([candle(1)])
    history = [feature_row(candle(n)) for n in range(2)]
    assert _rows(server, f"{_group(request)}_1") == history
    newest = newest_windows(newest_revisions([candle(0), candle(1)]).values()).values()
    assert _rows(server, f"{_group(request)}_1_latest") == [feature_row(c) for c in newest]


def test_unknown_database_is_refused_without_the_password(server: PostgresServer) -> None:
    url = server.url.replace("tester@", "tester:secret@").replace("/postgres", "/nowhere")
    with pytest.raises(StoreRejectedError, match="does not exist") as caught:
        LocalStore.open(url, "ohlc", 1)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
