"""Made-up candles on a grid, for tests of features."""

import numpy as np

from ohlc_core.domain.interval import Interval
from ohlc_features.define.evaluate import CandleTable
from ohlc_features.define.values import Floats

START_MS = 1_700_000_040_000


def random_columns(count: int, seed: int) -> dict[str, Floats]:
    """Return columns of plausible candles: a random walk with some flat stretches."""
    draw = np.random.default_rng(seed)
    steps = np.where(draw.random(count) < 0.2, 0.0, draw.normal(0, 1e-3, count))
    close = np.round(40_000 * np.exp(np.cumsum(steps)), 1)
    opens = np.concatenate(([close[0]], close[:-1]))
    volume = np.round(draw.random(count) * 3, 8) * (draw.random(count) > 0.1)
    return {
        "open": opens,
        "high": np.round(np.maximum(opens, close) * (1 + draw.random(count) * 1e-3), 1),
        "low": np.round(np.minimum(opens, close) * (1 - draw.random(count) * 1e-3), 1),
        "close": close,
        "volume": volume,
        "vwap": np.round((opens + close) / 2, 2),
        "buy_volume": np.round(volume * draw.random(count), 8),
        "trade_count": np.floor(volume * 10),
    }


def table(
    products: dict[str, dict[str, Floats]], interval: str = "1m", unknown: tuple[int, ...] = ()
) -> CandleTable:
    """Return products' columns as a table whose first window begins at `START_MS`.

    The first product's windows at ``unknown`` are missing.
    """
    length = Interval.parse(interval)
    columns = {
        name: np.stack([each[name] for each in products.values()])
        for name in next(iter(products.values()))
    }
    known = np.ones(columns["close"].shape, dtype=bool)
    known[0, list(unknown)] = False
    step = length.us // 1_000
    first_end = START_MS - START_MS % step + step
    return CandleTable(length, first_end, list(products), columns, known)


def ends(
    count: int, interval: str = "1m", begin: int = 0
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the window ends of places ``begin`` to ``begin + count`` of such a grid."""
    step = Interval.parse(interval).us // 1_000
    first_end = START_MS - START_MS % step + step
    return first_end + step * np.arange(begin, begin + count, dtype=np.int64)
