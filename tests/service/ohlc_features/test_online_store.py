"""The newest rows in a real Redis are the feature store's, whatever is written, lost or away."""

import random
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.domain.candle import Candle
from ohlc_core.errors import SettingsError
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.settings import load
from ohlc_features.base import FeatureStore
from ohlc_features.define.loading import load_definitions
from ohlc_features.errors import StoreRejectedError, StoreUnavailableError
from ohlc_features.factory import open_reading, open_store
from ohlc_features.online.newest import NewestRows, candle_key
from ohlc_features.reading import FeatureReader
from ohlc_features.reading.group_reader import NotReadyError
from ohlc_features.schema import Origin
from ohlc_features.settings import FeatureStoreSettings
from support.candle_records import MONDAY_MS, candle
from support.processes import Processes
from support.redis_server import RedisServer, redis_server
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service

AGE = timedelta(days=36_500)
MINUTE_MS = 60_000
DEFINITIONS = """
from ohlc_features.define import Candles, FeatureGroup, ta

group = FeatureGroup("moves", version=1, intervals=["1m"])

@group.feature(window=3, unit="price", about="mean of three closes")
def mean_3(c: Candles):
    return ta.mean(c.close)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as started:
        yield started


Settings = Callable[..., FeatureStoreSettings]


@pytest.fixture
def settings(server: RedisServer, tmp_path: Path) -> Settings:
    """Return settings with Redis beside a store of this test's own."""

    def made(**values: str) -> FeatureStoreSettings:
        url = f"sqlite:///{tmp_path / 'features.db'}"
        defaults = {"feature_store_url": url, "online_store_url": server.url}
        return load(FeatureStoreSettings, _env_file=None, **{**defaults, **values})

    return made


def drawn(draw: random.Random, product: str) -> list[Candle]:
    """Return candles of a few windows: trades, corrections, gaps, in any order."""
    return [
        candle(
            draw.randrange(5),
            product_id=product,
            revision=draw.randrange(3),
            trade_count=draw.randrange(1, 4),
            complete=draw.random() < 0.7,
            close=str(draw.randrange(1, 1_000)),
        )
        for _ in range(draw.randrange(1, 8))
    ]


def assert_redis_equals_store(settings: Settings, products: list[str]) -> None:
    offline = open_reading(settings(online_store_url=""))
    online = open_reading(settings())
    try:
        with FeatureReader(offline) as one, FeatureReader(online) as other:
            wanted = one.latest("kraken", products, "1m").drop("stored_at")
            assert other.latest("kraken", products, "1m").drop("stored_at").equals(wanted)
    finally:
        offline.close()
        online.close()


def newest_in_redis(server: RedisServer, product: str) -> str:
    key = candle_key("ohlc_1", "kraken", product, "1m")
    return (server.client.hget(key, "row") or b"").decode()


@pytest.mark.parametrize("seed", range(25))
def test_newest_rows_are_the_stores_whatever_is_written_in_any_order(
    settings: Settings, server: RedisServer, seed: int
) -> None:
    draw = random.Random(seed)
    products = [f"A{seed}/USD", f"B{seed}/USD"]
    origins: tuple[Origin, ...] = ("live", "backfill")
    stores = [
        open_store(settings(), origin=origin, write_incomplete=bool(seed % 2)) for origin in origins
    ]
    for _ in range(draw.randrange(2, 8)):
        draw.choice(stores).write(drawn(draw, draw.choice(products)))
        if draw.random() < 0.15:
            server.client.flushall()
    for store in stores:
        store.close()
    assert_redis_equals_store(settings, products)


def test_backfill_of_older_windows_into_an_empty_redis_shows_the_stores_newest(
    settings: Settings, server: RedisServer
) -> None:
    store = open_store(settings())
    store.write([candle(number, close=str(number + 1)) for number in range(5)])
    server.client.flushall()
    backfill = open_store(settings(), origin="backfill")
    backfill.write([candle(0, close="7", trade_count=99)])
    assert f"{MONDAY_MS + 4 * MINUTE_MS}" in newest_in_redis(server, "BTC/USD")
    assert_redis_equals_store(settings, ["BTC/USD"])
    for each in (store, backfill):
        each.close()


def test_newest_window_that_loses_its_completeness_is_read_from_the_store(
    settings: Settings, server: RedisServer
) -> None:
    store = open_store(settings())
    store.write([candle(0), candle(1)])
    store.write([candle(1, complete=False, revision=1)])
    assert newest_in_redis(server, "BTC/USD") == ""
    assert_redis_equals_store(settings, ["BTC/USD"])
    store.write([candle(2)])
    assert newest_in_redis(server, "BTC/USD") != ""
    assert_redis_equals_store(settings, ["BTC/USD"])
    store.close()


def test_vectors_come_from_redis_and_follow_corrections(
    settings: Settings, server: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "moves.py"
    path.write_text(DEFINITIONS, encoding="utf-8")
    groups = load_definitions(path)
    stores = [open_store(settings(), origin=o, definitions=groups) for o in ("live", "backfill")]  # type: ignore[arg-type]
    stores[0].write([candle(number, close=str(number + 1)) for number in range(4)])
    with FeatureReader(open_reading(settings())) as reader:
        assert reader.vector("moves", "kraken", "BTC/USD", "1m", max_age=AGE).values == {
            "mean_3": 3.0
        }
        stores[1].write([candle(3, close="10", trade_count=99)])
        assert reader.vector("moves", "kraken", "BTC/USD", "1m", max_age=AGE).values == {
            "mean_3": 5.0
        }
        # A stale row of an earlier transaction does not come back.
        late = NewestRows(server.url)
        stale = late.next_write("ohlc_1")
        assert stale > 2
        server.client.flushall()
        stores[1].write([candle(0, close="4", trade_count=99)])
        vector = reader.vector("moves", "kraken", "BTC/USD", "1m", max_age=AGE)
        assert vector.values == {"mean_3": 5.0}
        late.close()
        stores[0].write([candle(5)])  # the one before it is missing
        with pytest.raises(NotReadyError, match="not complete"):
            reader.vector("moves", "kraken", "BTC/USD", "1m", max_age=AGE)
    for store in stores:
        store.close()


def test_redis_that_is_away_fails_writes_for_now_and_leaves_reads_to_the_store(
    settings: Settings, server: RedisServer
) -> None:
    store = open_store(settings())
    store.write([candle(0)])
    server.stop()
    with pytest.raises(StoreUnavailableError, match="ONLINE_STORE_URL cannot be used"):
        store.write([candle(1)])
    assert_redis_equals_store(settings, ["BTC/USD"])
    server.start()
    store.write([candle(1)])  # as the writer does: the same batch again
    assert f"{MONDAY_MS + MINUTE_MS}" in newest_in_redis(server, "BTC/USD")
    store.close()


def test_two_writers_at_once_end_with_the_stores_newest(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "moves.py"
    path.write_text(DEFINITIONS, encoding="utf-8")
    groups = load_definitions(path)
    candles = [candle(number, close=str(number + 1)) for number in range(60)]

    def write(origin: Origin, seed: int) -> None:
        store: FeatureStore = open_store(settings(), origin=origin, definitions=groups)
        for each in random.Random(seed).sample(candles, len(candles)):
            store.write([each])
        store.close()

    writers = [
        threading.Thread(target=write, args=(origin, seed))
        for origin, seed in (("live", 1), ("backfill", 2))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert_redis_equals_store(settings, ["BTC/USD"])
    offline, online = open_reading(settings(online_store_url="")), open_reading(settings())
    with FeatureReader(offline) as one, FeatureReader(online) as other:
        wanted = one.vector("moves", "kraken", "BTC/USD", "1m", max_age=AGE)
        assert other.vector("moves", "kraken", "BTC/USD", "1m", max_age=AGE) == wanted
        assert wanted.values == {"mean_3": 59.0}


def test_writer_keeps_redis_in_step_and_survives_its_restart(
    broker: LocalBroker,
    unique_topics: TopicNames,
    processes: Processes,
    server: RedisServer,
    tmp_path: Path,
) -> None:
    pipeline = WriterPipeline(broker.address, unique_topics, tmp_path, processes)
    writer = pipeline.writer(ONLINE_STORE_URL=server.url)
    pipeline.produce(*[candle(number) for number in range(3)])
    pipeline.wait_until_stored(member=writer)
    assert f"{MONDAY_MS + 2 * MINUTE_MS}" in newest_in_redis(server, "BTC/USD")
    server.stop()
    pipeline.produce(candle(3))
    wait_until(lambda: "ONLINE_STORE_URL cannot be used" in writer.log(), 30, "its warning")
    server.start()
    pipeline.wait_until_stored(member=writer)
    assert f"{MONDAY_MS + 3 * MINUTE_MS}" in newest_in_redis(server, "BTC/USD")
    assert writer.stop() == 0, writer.log()
    with closing(sqlite3.connect(pipeline.path)) as database:
        assert database.execute("SELECT count(*) FROM ohlc_1").fetchone() == (4,)


def test_console_beside_redis_is_refused() -> None:
    with pytest.raises(SettingsError, match="keeps nothing to put there"):
        load(
            FeatureStoreSettings,
            _env_file=None,
            feature_store="console",
            online_store_url="redis://h",
        )


def test_missing_client_fails_writing_and_leaves_reads_to_the_store(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(settings()).close()
    for name in ("redis", "ohlc_features.online.newest", "ohlc_features.online.source"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "ohlc_features.online.store", raising=False)
    with pytest.raises(StoreRejectedError, match=r"ohlc-pipeline\[redis\]"):
        open_store(settings())
    with FeatureReader(open_reading(settings())) as reader:
        assert reader.latest("kraken", "BTC/USD", "1m").is_empty()
