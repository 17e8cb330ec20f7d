"""Made-up candles for checking definitions: the same on every machine, from a seed."""

import random
from typing import NamedTuple

import numpy as np

from ohlc_core.domain.interval import Interval
from ohlc_features.define.evaluate import CandleTable, Places
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.touched import first_end_ms
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
        first_row = first_end_ms(interval, _START_MS + history_ms)
        self.times: Places = first_row + step * np.arange(rows, dtype=np.int64)
        end = int(self.times[-1])
        self._columns: dict[str, tuple[int, list[str], dict[str, Floats]]] = {}
        for interval_text in sorted({key.interval for key in lengths}):
            products = sorted(key.product_id for key in lengths if key.interval == interval_text)
            length_ms = Interval.parse(interval_text).us // 1_000
            first_end = first_end_ms(interval_text, _START_MS + 1)
            count = (end - first_end) // length_ms + 1
            lines = [_columns(count, f"{seed} {each} {interval_text}") for each in products]
            columns = {name: np.stack([line[name] for line in lines]) for name in lines[0]}
            self._columns[interval_text] = first_end, products, columns

    def tables(self, until_ms: int | None = None) -> dict[str, CandleTable]:
        """Return the candles, those that end after ``until_ms`` left out."""
        tables = {}
        for text, (first_end, products, columns) in self._columns.items():
            interval = Interval.parse(text)
            count = columns["close"].shape[1]
            if until_ms is not None:
                count = max(0, min(count, (until_ms - first_end) // (interval.us // 1_000) + 1))
            cut = {name: np.ascontiguousarray(each[:, :count]) for name, each in columns.items()}
            known = np.ones((len(products), count), dtype=bool)
            tables[text] = CandleTable(interval, first_end, products, cut, known)
        return tables


class _Series(NamedTuple):
    """Whose candles of which interval."""

    product_id: str
    interval: str


def _lengths(group: FeatureGroup, interval: str) -> dict[_Series, int]:
    lengths: dict[_Series, int] = {}
    for feature in group.features.values():
        for each in feature.inputs:
            key = _Series(each.product_id or PRODUCT, each.interval or interval)
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
