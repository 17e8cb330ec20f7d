"""Feature rows in Postgres: two writers at the same time miss no row of joint inputs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine

from ohlc_core.domain.candle import Candle
from ohlc_core.service.settings import load
from ohlc_features.checking.brute_force import (
    computed_features,
    newest,
    stored_candles,
    stored_features,
)
from ohlc_features.define import Candles, FeatureGroup, Value, ta
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.errors import StoreUnavailableError
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.pruning import Pruning
from ohlc_features.sql.store import LocalStore
from ohlc_features.sql.url import store_url
from support.candle_records import MONDAY_MS, candle
from support.postgres import PostgresServer, postgres_server

pytestmark = pytest.mark.service

group = FeatureGroup("joint", intervals=["1m"])


@group.feature(window=3, eth=("1m", 3, "ETH/USD"))
def spread(c: Candles, eth: Candles) -> Value:
    return ta.mean(c.close) - ta.mean(eth.close)


@group.feature(window=5)
def average(c: Candles) -> Value:
    return ta.ema(c.close, 3)


DEFINED = DefinedGroup(group, "source", "hash")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


def _write(url: str, product: str, others: str) -> None:
    """Write a product's candles, then correct another's, a few at a time."""
    store = LocalStore.open(url, "ohlc", 1, definitions=[DEFINED])
    try:
        for batch in _batches(product):
            _insist(store, batch)
        for batch in _batches(others, revision=1):
            _insist(store, batch)
    finally:
        store.close()


def _insist(store: LocalStore, batch: list[Candle]) -> None:
    for _ in range(50):
        try:
            store.write(batch)
        except StoreUnavailableError:
            continue
        return
    raise AssertionError("a batch was never taken")


def _batches(product: str, revision: int = 0) -> list[list[Candle]]:
    candles = [
        candle(
            window,
            product_id=product,
            close=str(100 + window * (revision + 1)),
            revision=revision,
            trade_count=41 + revision,
        )
        for window in range(40)
    ]
    return [candles[begin : begin + 3] for begin in range(0, len(candles), 3)]


def test_two_writers_at_once_miss_no_row(server: PostgresServer) -> None:
    LocalStore.open(server.url, "ohlc", 1, definitions=[DEFINED]).close()

    with ThreadPoolExecutor(2) as writers:
        for future in [
            writers.submit(_write, server.url, "BTC/USD", "ETH/USD"),
            writers.submit(_write, server.url, "ETH/USD", "BTC/USD"),
        ]:
            future.result()

    engine = create_engine(store_url(server.url))
    try:
        expected = computed_features(stored_candles(engine), group)
        assert len(expected) == 80
        assert stored_features(engine, "joint_1") == expected
        assert stored_features(engine, "joint_1_latest") == newest(expected)
    finally:
        engine.dispose()


def test_pruning_beside_a_writer_takes_nothing_from_rows_that_stay(server: PostgresServer) -> None:
    joint = DefinedGroup(FeatureGroup("pruned", intervals=["1m"]), "source", "hash")
    joint.group.features.update(group.features)
    eth, btc = ([candle(n, product_id=each) for n in range(300)] for each in ("ETH/USD", "BTC/USD"))
    store = LocalStore.open(server.url, "pruning", 1, definitions=[joint])
    _insist(store, eth)
    _insist(store, btc[:200])
    named = {"feature_store_url": server.url, "feature_group_name": "pruning"}
    pruning = Pruning(load(FeatureStoreSettings, **named))
    try:
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(lambda: [_insist(store, [each]) for each in btc[200:]])
            while True:
                is_last = writing.done()
                pruning.remove(pruning.plan(MONDAY_MS + 150 * 60_000), lambda _gone: None)
                if is_last:
                    break
            writing.result()
    finally:
        pruning.close()
        store.close()

    engine = create_engine(store_url(server.url))
    try:
        computed = computed_features(stored_candles(engine, "pruning_1"), joint.group)
        stored = stored_features(engine, "pruned_1")
        assert len(stored) == 2 * 150
        assert {key: computed[key] for key in stored} == stored
    finally:
        engine.dispose()
