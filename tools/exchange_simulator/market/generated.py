"""Made-up trades that behave like a market's: bursts, sweeps at one stamp, quiet stretches."""

import math
import random
from collections.abc import Iterator

from exchange_simulator.formatting import NS
from exchange_simulator.market.products import Character
from exchange_simulator.market.trade_log import Row

# Calm and burst alternate so that the mean pace stays 1, e.g. (16 s x 0.5 + 2 s x 5) / 18 s.
_CALM_SECONDS, _BURST_SECONDS, _BURST_PACE = 16.0, 2.0, 5.0
_MAX_BURST_PER_SECOND = 20_000
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
    quantities, n_quantities, random_ = _QUANTITIES, len(_QUANTITIES), rng.random
    step = 1 / max(1.0, price * _STEP)
    for seconds in _order_times(rng, trades_per_second / _MEAN_FILLS):
        time_ns = max(time_ns + 1, start_ns + int(seconds * NS))
        is_sell = random_() < _sell_chance(price, character.price)
        is_market = random_() < 0.4
        direction = -1 if is_sell else 1
        price = max(1, price + direction * int(rng.expovariate(step)))
        for _ in range(_fills(rng)):
            yield Row(
                trade_id,
                price,
                quantities[int(random_() * n_quantities)],
                is_sell,
                is_market,
                time_ns,
            )
            trade_id += 1
            if random_() < 0.3:
                price = max(1, price + direction)
            if random_() < 0.2:
                time_ns += rng.randrange(100, 2_000)


def _order_times(rng: random.Random, orders_per_second: float) -> Iterator[float]:
    """Yield seconds since the start; the pace changes between calm and burst."""
    trades_per_second = orders_per_second * _MEAN_FILLS
    burst = max(1.0, min(_BURST_PACE, _MAX_BURST_PER_SECOND / trades_per_second))
    calm = (_CALM_SECONDS + _BURST_SECONDS * (1 - burst)) / _CALM_SECONDS
    now = 0.0
    is_burst = False
    changes_at = rng.expovariate(1 / _CALM_SECONDS)
    while True:
        pace = orders_per_second * (burst if is_burst else calm)
        step = rng.expovariate(pace)
        if now + step < changes_at:
            now += step
            yield now
            continue
        # Memoryless: what was left of the step is drawn again at the other pace.
        now = changes_at
        is_burst = not is_burst
        changes_at += rng.expovariate(1 / (_BURST_SECONDS if is_burst else _CALM_SECONDS))


def _sell_chance(price: int, home: int) -> float:
    """Lean back towards the first price, so that a long run neither dies nor explodes."""
    return min(0.9, max(0.1, 0.5 + 2.0 * (price - home) / home))


def _fills(rng: random.Random) -> int:
    # Geometric with mean 1 / 0.625 = 1.6.
    return min(_MAX_FILLS, 1 + int(math.log(1.0 - rng.random()) / math.log(0.375)))


def _quantities() -> list[int]:
    """Return units of 1e-8: mostly fractions of a coin, some round lots, some dust."""
    rng = random.Random("quantities")
    drawn = [max(1, int(rng.lognormvariate(14.5, 1.8))) for _ in range(7_600)]
    drawn += [rng.choice((1_000_000, 5_000_000, 10_000_000, 100_000_000)) for _ in range(400)]
    return drawn + [rng.randrange(1, 9_000) for _ in range(192)]


# Drawn once: a fresh logarithm a trade would be a third of the cost of making one.
_QUANTITIES = _quantities()
