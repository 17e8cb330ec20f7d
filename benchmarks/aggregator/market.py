"""Generated trades for the benchmarks: the same ones for every rival, from a seed."""

import random
from collections.abc import Iterator
from decimal import Decimal

from ohlc_core.domain.trade import Trade

START_US = 1_790_035_200_000_000
#: Mean event time between two trades of a product: about that of Kraken's BTC/USD on a busy day.
MEAN_PAUSE_US = 250_000
#: REPLAY_BATCH, as a backfill has it.
TRADES_PER_RECORD = 500


def products(count: int) -> list[str]:
    """Return product names."""
    return [f"P{number:04d}/USD" for number in range(count)]


def records(
    product_count: int, trade_count: int, seed: int = 1
) -> Iterator[tuple[str, list[Trade]]]:
    """Yield (product, trades) records, the products taking turns, each product in its order."""
    rng = random.Random(seed)
    clock = dict.fromkeys(products(product_count), START_US)
    price = dict.fromkeys(clock, 1_000_000)
    # As many digits as an exchange's ids have.
    trade_id = dict.fromkeys(clock, 109_000_000)
    left = trade_count
    while left > 0:
        for product in clock:
            size = min(TRADES_PER_RECORD, left)
            if size == 0:
                return
            left -= size
            trades = []
            for _ in range(size):
                # Some trades share their stamp with the one before, as orders that meet several do.
                if rng.random() > 0.3:
                    clock[product] += int(rng.random() * 2 * MEAN_PAUSE_US / 0.7)
                price[product] += rng.randrange(-30, 31)
                trade_id[product] += 1
                trades.append(
                    Trade(
                        str(trade_id[product]),
                        Decimal(price[product]) / 10,
                        Decimal(rng.randrange(1, 200_000_000)) / 100_000_000,
                        "buy" if rng.random() < 0.5 else "sell",
                        clock[product],
                    )
                )
            yield product, trades
