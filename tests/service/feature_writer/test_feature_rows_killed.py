"""Feature rows of a writer that is killed again and again equal brute force at the end.

FEATURE_KILLS=100 kills it a hundred times; the everyday run a few times.
"""

import os
import random
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from ohlc_core.domain.candle import Candle
from ohlc_features.checking.brute_force import (
    computed_features,
    newest,
    stored_candles,
    stored_features,
)
from ohlc_features.define.loading import load_definitions
from support.candle_records import candle
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service

KILLS = int(os.environ.get("FEATURE_KILLS", "3"))
DEFINITIONS = Path(__file__).resolve().parents[2] / "support" / "definitions" / "parity.py"
PRODUCTS = ("BTC/USD", "ETH/USD", "LTC/USD")
SECONDS = 300 + 20 * KILLS


def _market(draw: random.Random) -> list[Candle]:
    """Return candles in the order a topic has them, with gaps and corrections of older windows."""
    made: list[Candle] = []
    for second in range(SECONDS):
        for product in PRODUCTS:
            made += _window(draw, product, "1s", second)
            if second % 60 == 59:
                made += _window(draw, product, "1m", second // 60)
    return made


def _window(draw: random.Random, product: str, interval: str, window: int) -> list[Candle]:
    if draw.random() < 0.002:
        return []

    def version(place: int, revision: int) -> Candle:
        close = str(draw.randint(90, 110))
        volume = draw.randint(1, 9)
        return candle(
            place,
            product_id=product,
            interval=interval,
            close=close,
            vwap=Decimal(close),
            volume=Decimal(volume),
            buy_volume=Decimal(draw.randint(0, volume)),
            trade_count=10 + revision,
            revision=revision,
        )

    made = [version(window, 0)]
    if window and draw.random() < 0.1:
        made.append(version(draw.randrange(max(0, window - 60), window), window))
    return made


def _count(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM parity_1").fetchone()[0])
        except sqlite3.OperationalError:  # the table is not made yet
            return 0


@pytest.mark.timeout(120 + 15 * KILLS)
def test_feature_rows_of_a_killed_writer_equal_brute_force(pipeline: WriterPipeline) -> None:
    draw = random.Random(KILLS)
    candles = _market(draw)
    pipeline.produce(*candles)
    goal = len({(each.product_id, each.interval, each.window_end_ms) for each in candles})
    settings = {
        "FEATURE_DEFINITIONS": str(DEFINITIONS),
        # A fixed member takes its place in the group back at once.
        "KAFKA_GROUP_INSTANCE_ID": "writer-0",
    }
    for share in sorted(draw.uniform(0.02, 0.9) for _ in range(KILLS)):
        writer = pipeline.writer(WRITE_BATCH_SIZE="10", **settings)
        wait_until(
            lambda at=share * goal: _count(pipeline.path) >= at,  # type: ignore[misc]
            60,
            f"{share:.0%} of the rows",
            every=0.01,
        )
        writer.kill()
    writer = pipeline.writer(**settings)
    pipeline.wait_until_stored(60, writer)
    assert writer.stop() == 0

    (defined,) = load_definitions(DEFINITIONS)
    engine = create_engine(f"sqlite:///{pipeline.path}")
    try:
        expected = computed_features(stored_candles(engine), defined.group)
        assert len(expected) == goal
        assert stored_features(engine, "parity_1") == expected
        assert stored_features(engine, "parity_1_latest") == newest(expected)
        assert sum(row[-1] is True for row in expected.values()) > goal // 4
    finally:
        engine.dispose()
