"""Made-up candles for checking definitions: the same on every machine, from a seed."""

import random

import numpy as np

from ohlc_core.domain.interval import Interval
from ohlc_features.define.evaluate import CandleGrid, Places, SeriesKey, input_series
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.values import Floats

PRODUCT = "CHECK/USD"
#: Monday, 1 January 2024: the first window of every interval up to a week ends after it.
_START_MS = 1_704_067_200_000


class SampleMarket:
    """Candles of every input of a group's rows.

    Args:
        group: whose inputs.
        interval: of the rows.
        rows: how many rows can be evaluated.
        stretch: how many times its declared length each input has before the first row.
        seed: of the numbers.
    """

    def __init__(
        self, group: FeatureGroup, interval: str, rows: int, *, stretch: int = 1, seed: int = 7
    ) -> None:
        self.interval = interval
        lengths = _lengths(group, interval)
        step = Interval.parse(interval).us // 1_000
        history_ms = max(
            stretch * length * (Interval.parse(key.interval).us // 1_000)
            for key, length in lengths.items()
        )
        first_row = _START_MS + history_ms
        first_row += -first_row % step
        self.times: Places = first_row + step * np.arange(rows, dtype=np.int64)
        end = int(self.times[-1])
        self._columns: dict[SeriesKey, tuple[int, dict[str, Floats]]] = {}
        for key in sorted(lengths):
            length_ms = Interval.parse(key.interval).us // 1_000
            first_end = _START_MS - _START_MS % length_ms + length_ms
            count = (end - first_end) // length_ms + 1
            self._columns[key] = first_end, _columns(count, f"{seed} {key}")

    def grids(self, until_ms: int | None = None) -> dict[SeriesKey, CandleGrid]:
        """Return the candles, those that end after ``until_ms`` left out."""
        grids = {}
        for key, (first_end, columns) in self._columns.items():
            interval = Interval.parse(key.interval)
            count = len(columns["close"])
            if until_ms is not None:
                count = max(0, min(count, (until_ms - first_end) // (interval.us // 1_000) + 1))
            cut = {name: numbers[:count] for name, numbers in columns.items()}
            grids[key] = CandleGrid(interval, first_end, cut, np.ones(count, dtype=bool))
        return grids


def _lengths(group: FeatureGroup, interval: str) -> dict[SeriesKey, int]:
    lengths: dict[SeriesKey, int] = {}
    for feature in group.features.values():
        for each in feature.inputs:
            key = input_series(each, PRODUCT, interval)
            lengths[key] = max(lengths.get(key, 0), each.length)
    return lengths


def _columns(count: int, seed: str) -> dict[str, Floats]:
    """Return a random walk that has flat stretches and windows without trades."""
    draw = random.Random(seed)
    price = 100.0
    rows = []
    for _ in range(count):
        trades = draw.choice((0, 1, 3, 20, 200))
        before = price
        if trades:
            price = round(price * (1 + draw.uniform(-2e-3, 2e-3)), 4)
        high = max(before, price) * (1 + draw.uniform(0, 1e-3) * bool(trades))
        low = min(before, price) * (1 - draw.uniform(0, 1e-3) * bool(trades))
        volume = round(trades * draw.uniform(0.01, 0.2), 8)
        bought = round(volume * draw.random(), 8)
        rows.append((before, high, low, price, volume, (high + low) / 2, bought, float(trades)))
    names = ("open", "high", "low", "close", "volume", "vwap", "buy_volume", "trade_count")
    table = np.array(rows, dtype=np.float64).reshape(count, len(names))
    return {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(names)}
