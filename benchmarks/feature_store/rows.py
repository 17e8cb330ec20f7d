"""The rows every rival writes: the candles of many products, window by window, from a seed."""

import random
from collections.abc import Iterator
from decimal import Decimal

from ohlc_core.domain.candle import Candle

START_MS = 1_789_948_800_000
PRODUCTS = 200
BATCH = 5_000


def batches(count: int, seed: int = 1) -> Iterator[list[Candle]]:
    """Yield ``count`` candles in batches of the writer's default size, as a backfill brings them.

    A backfill reads day by day, product by product: 1440 windows of one, then of the next.
    """
    rng = random.Random(seed)
    batch: list[Candle] = []
    left, day = count, 0
    while left > 0:
        for product in range(PRODUCTS):
            for window in range(min(1_440, left)):
                batch.append(_candle(rng, product, day * 1_440 + window))
                left -= 1
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        day += 1
    if batch:
        yield batch


def _candle(rng: random.Random, product: int, window: int) -> Candle:
    price = rng.randrange(1_000_000, 2_000_000)
    low, high = price - rng.randrange(500), price + rng.randrange(500)
    start = START_MS + window * 60_000
    volume = rng.randrange(1, 10_000_000_000)
    first = rng.randrange(10**9)
    return Candle(
        exchange="kraken",
        product_id=f"P{product:03d}/USD",
        interval="1m",
        window_start_ms=start,
        window_end_ms=start + 60_000,
        open=Decimal(price).scaleb(-1),
        high=Decimal(high).scaleb(-1),
        low=Decimal(low).scaleb(-1),
        close=Decimal(rng.randrange(low, high + 1)).scaleb(-1),
        volume=Decimal(volume).scaleb(-8),
        vwap=Decimal(price * 10**6 + rng.randrange(10**6)).scaleb(-7),
        trade_count=41,
        buy_volume=Decimal(volume // 2).scaleb(-8),
        first_trade_id=str(first),
        last_trade_id=str(first + 40),
        complete=True,
        revision=0,
    )
