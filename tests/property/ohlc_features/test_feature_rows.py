"""Stored feature rows equal brute force, whatever the batches, order, revisions and restarts."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from ohlc_core.domain.candle import Candle
from ohlc_features.checking.brute_force import (
    computed_features,
    newest,
    stored_candles,
    stored_features,
)
from ohlc_features.define import Candles, FeatureGroup, Value, ta
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.sql import stored_candles as stored_candles_module
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle

group = FeatureGroup("probe", intervals=["1m", "5m"])


@group.feature(window=3)
def change(c: Candles) -> Value:
    return ta.returns(c.close, 2)


@group.feature(window=7, five=("5m", 2))
def mixed(c: Candles, five: Candles) -> Value:
    return ta.ema(c.close, 3) - five.open[0]


@group.feature(window=1, eth=("1m", 4, "ETH/USD"))
def against(c: Candles, eth: Candles) -> Value:
    return c.close[-1] / ta.total(eth.volume) - ta.total(eth.buy_volume)


@group.feature(window=2)
def branch(c: Candles) -> float:
    if c.close[-1] > c.close[-2]:
        return float(c.volume[-1])
    raise RuntimeError("down")


DEFINED = DefinedGroup(group, "source", "hash")
PRODUCTS = ("BTC/USD", "ETH/USD", "LTC/USD")


def market(seed: int, minutes: int) -> list[Candle]:
    """Return candles of three products with gaps, incomplete ones and corrections."""
    draw = random.Random(seed)
    made = []
    for product in PRODUCTS:
        for interval, count in (("1m", minutes), ("5m", minutes // 5)):
            for window in range(count):
                if draw.random() < 0.03:
                    continue
                for revision in range(1 + (draw.random() < 0.1)):
                    made.append(
                        candle(
                            window,
                            product_id=product,
                            interval=interval,
                            close=str(draw.randint(90, 110)),
                            volume=draw.randint(0, 3),
                            buy_volume=None if draw.random() < 0.05 else draw.randint(0, 2),
                            trade_count=10 + revision,
                            complete=draw.random() > 0.05,
                            revision=revision,
                        )
                    )
    return made


def batches(candles: list[Candle], seed: int, disorder: int) -> list[list[Candle]]:
    """Cut candles into batches, in the order of time but for some, with some repeated."""
    draw = random.Random(seed)
    placed = sorted(
        candles, key=lambda each: each.window_end_ms + draw.randint(0, disorder) * 60_000
    )
    placed += draw.sample(placed, len(placed) // 10)
    result = []
    while placed:
        size = draw.choice((1, 2, 7, 40))
        result.append(placed[:size])
        placed = placed[size:]
    return result


def check(url: str) -> None:
    """Compare every feature row of the database at ``url`` with brute force."""
    engine = create_engine(url)
    try:
        expected = computed_features(stored_candles(engine), group)
        assert expected
        assert stored_features(engine, "probe_1") == expected
        assert stored_features(engine, "probe_1_latest") == newest(expected)
    finally:
        engine.dispose()


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    disorder=st.sampled_from([0, 3, 60]),
    restart=st.integers(2, 9),
    room=st.sampled_from([8, 64, 512]),
)
def test_rows_equal_brute_force_in_any_order(
    seed: int, disorder: int, restart: int, room: int
) -> None:
    with (
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patched,
    ):
        # Small rooms make the newest candles fall out of what is held.
        patched.setattr(stored_candles_module, "SPARE_WINDOWS", room)
        url = f"sqlite:///{Path(folder) / 'features.db'}"
        store = LocalStore.open(url, "ohlc", 1, definitions=[DEFINED], write_incomplete=True)
        for number, batch in enumerate(batches(market(seed, 60), seed, disorder)):
            if number % restart == 0:
                store.close()
                store = LocalStore.open(
                    url, "ohlc", 1, definitions=[DEFINED], write_incomplete=True
                )
            store.write(batch)
        store.close()
        check(url)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_two_writers_in_turn_miss_no_row(seed: int) -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'features.db'}"
        live = LocalStore.open(url, "ohlc", 1, definitions=[DEFINED])
        backfill = LocalStore.open(url, "ohlc", 1, origin="backfill", definitions=[DEFINED])
        draw = random.Random(seed)
        for batch in batches(market(seed, 60), seed, 30):
            draw.choice((live, backfill)).write(batch)
        live.close()
        backfill.close()
        check(url)
