"""The local store in Postgres: the same tables, rules and reading calls as in SQLite."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect, text

from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.reading import FeatureReader
from ohlc_features.schema import COLUMNS, FeatureRow, Origin, feature_row
from ohlc_features.sql.store import LocalStore
from ohlc_features.sql.url import store_url
from support.candle_records import MONDAY_MS, candle
from support.postgres import PostgresServer, postgres_server
from support.store_model import Delivery, deliveries, model

pytestmark = pytest.mark.service

ORIGINS: tuple[Origin, ...] = get_args(Origin)
_NUMBERS = itertools.count()


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
            columns = ", ".join(COLUMNS)
            found = connection.execute(text(f"select {columns} from {table} order by {order}"))
            return [FeatureRow._make(row)._replace(stored_at=0) for row in found]
    finally:
        engine.dispose()


@settings(max_examples=25, deadline=None)
@given(deliveries(), st.booleans())
def test_store_holds_what_the_rule_spelt_out_candle_by_candle_gives(
    server: PostgresServer, batches: list[Delivery], write_incomplete: bool
) -> None:
    group = f"p{next(_NUMBERS)}"  # new tables for each example
    stores = {
        origin: LocalStore.open(
            server.url, group, 1, origin=origin, write_incomplete=write_incomplete
        )
        for origin in ORIGINS
    }
    for batch in batches:
        stores[batch.origin].write(batch.candles)
    for store in stores.values():
        store.close()
    expected = model(batches, write_incomplete=write_incomplete)
    assert _rows(server, f"{group}_1") == expected.history
    assert _rows(server, f"{group}_1_latest") == expected.latest


def test_writers_at_the_same_time_lose_no_row_and_no_replaced_row(
    server: PostgresServer, store: LocalStore, request: pytest.FixtureRequest
) -> None:
    """Every write of the same windows is either the row that stands or one that was replaced."""

    def write(revision: int) -> None:
        other = LocalStore.open(server.url, _group(request), 1)
        for begin in range(0, 40, 10):
            other.write([candle(n, revision=revision) for n in range(begin, begin + 10)])
        other.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, [3, 0, 5, 2, 4, 1]))
    history = _rows(server, f"{_group(request)}_1")
    assert [row.revision for row in history] == [5] * 40
    replaced = _rows(server, f"{_group(request)}_1_replaced")
    for row in history:
        revisions = sorted(each.revision for each in replaced if each[:4] == row[:4])
        assert len(set(revisions)) == len(revisions)
        assert 5 not in revisions
    (latest,) = _rows(server, f"{_group(request)}_1_latest")
    assert latest == history[-1]


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
        assert one.drop("stored_at").equals(other.drop("stored_at"))


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
    assert _rows(server, f"{_group(request)}_1_latest") == history[-1:]


def test_unknown_database_is_refused_without_the_password(server: PostgresServer) -> None:
    url = server.url.replace("tester@", "tester:secret@").replace("/postgres", "/nowhere")
    with pytest.raises(StoreRejectedError, match="does not exist") as caught:
        LocalStore.open(url, "ohlc", 1)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
