"""Made-up trades that behave like a market's: bursts, sweeps at one stamp, quiet stretches."""

import math
import random
from collections.abc import Iterator

from exchange_simulator.market.products import Character
from exchange_simulator.market.trade_log import Row
from exchange_simulator.text import NS

# Calm and burst alternate so that the mean pace stays 1: (16 s x 0.5 + 2 s x 5) / 18 s.
_CALM_SECONDS, _CALM_PACE = 16.0, 0.5
_BURST_SECONDS, _BURST_PACE = 2.0, 5.0
_MEAN_FILLS = 1.6
_MAX_FILLS = 17  # the largest group of one stamp in the recorded Kraken rows

_STEP = 1e-5  # mean move of an order, as a part of the price: some 0.3 % an hour


def generate(
    character: Character, trades_per_second: float, seed: int, start_ns: int
) -> Iterator[Row]:
    """Yield endless trades from ``start_ns`` on, the same for the same arguments.

    One taker order gives one to 17 trades of one side, most of them on one nanosecond, at
    prices that walk away from the taker. Ids are dense.
    """
    rng = random.Random(f"{seed}:{character.product.name}:{start_ns}")
    trade_id = character.first_id
    price = character.price
    time_ns = start_ns - 1
    step = 1 / max(1.0, price * _STEP)
    for seconds in _order_times(rng, trades_per_second / _MEAN_FILLS):
        time_ns = max(time_ns + 1, start_ns + int(seconds * NS))
        is_sell = rng.random() < _sell_chance(price, character.price)
        is_market = rng.random() < 0.4
        direction = -1 if is_sell else 1
        price = max(1, price + direction * int(rng.expovariate(step)))
        for _ in range(_fills(rng)):
            yield Row(trade_id, price, _quantity(rng), is_sell, is_market, time_ns)
            trade_id += 1
            if rng.random() < 0.3:
                price = max(1, price + direction)
            if rng.random() < 0.2:
                time_ns += rng.randrange(100, 2_000)


def _order_times(rng: random.Random, orders_per_second: float) -> Iterator[float]:
    """Yield seconds since the start; the pace changes between calm and burst."""
    now = 0.0
    is_burst = False
    changes_at = rng.expovariate(1 / _CALM_SECONDS)
    while True:
        pace = orders_per_second * (_BURST_PACE if is_burst else _CALM_PACE)
        step = rng.expovariate(pace)
        if now + step < changes_at:
            now += step
            yield now
            continue
        # Memoryless: what was left of the step is drawn anew at the other pace.
        now = changes_at
        is_burst = not is_burst
        changes_at += rng.expovariate(1 / (_BURST_SECONDS if is_burst else _CALM_SECONDS))


def _sell_chance(price: int, home: int) -> float:
    """Lean back towards the first price, so that a long run neither dies nor explodes."""
    return min(0.9, max(0.1, 0.5 + 2.0 * (price - home) / home))


def _fills(rng: random.Random) -> int:
    # Geometric with mean 1 / 0.625 = 1.6.
    return min(_MAX_FILLS, 1 + int(math.log(1.0 - rng.random()) / math.log(0.375)))


def _quantity(rng: random.Random) -> int:
    """Return units of 1e-8: mostly fractions of a coin, some round lots, some dust."""
    kind = rng.random()
    if kind < 0.05:
        return rng.choice((1_000_000, 5_000_000, 10_000_000, 100_000_000))
    if kind < 0.08:
        return rng.randrange(1, 9_000)
    return max(1, int(rng.lognormvariate(14.5, 1.8)))
