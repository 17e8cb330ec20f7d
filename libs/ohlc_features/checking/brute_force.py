"""Feature rows by brute force: each row alone, from a dictionary of the stored candles.

Independent of the evaluator and of the store's bookkeeping, so that it can prove both.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from sqlalchemy import Engine, text

from ohlc_core.domain.interval import Interval
from ohlc_features.define import Candles, FeatureGroup
from ohlc_features.define.evaluate import as_numbers
from ohlc_features.define.group import Feature, Input
from ohlc_features.define.values import Window

Key = tuple[str, str, str, int]
_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "buy_volume", "trade_count")


def stored_candles(engine: Engine, table: str = "ohlc_1") -> dict[Key, dict[str, Any]]:
    """Return the candles by (exchange, product, interval, window_end)."""
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM {table}")).mappings()
        return {
            (row["exchange"], row["product_id"], row["candle_interval"], row["window_end"]): dict(
                row
            )
            for row in rows
        }


def stored_features(engine: Engine, table: str) -> dict[Key, tuple[object, ...]]:
    """Return a group's rows: each feature's bytes, and ``complete``."""
    with engine.connect() as connection:
        result = connection.execute(text(f"SELECT * FROM {table}"))
        names = list(result.keys())
        found: dict[Key, tuple[object, ...]] = {}
        for row in result:
            values = dict(zip(names, row, strict=True))
            key = (
                values.pop("exchange"),
                values.pop("product_id"),
                values.pop("candle_interval"),
                values.pop("window_end"),
            )
            values.pop("window_start")
            complete = bool(values.pop("complete"))
            found[key] = (*(_bytes(value) for value in values.values()), complete)
        return found


def computed_features(
    candles: dict[Key, dict[str, Any]], group: FeatureGroup
) -> dict[Key, tuple[object, ...]]:
    """Return the rows that a group must have, given the stored candles."""
    return {key: _row(candles, group, key) for key in candles if key[2] in group.intervals}


def newest(rows: dict[Key, tuple[object, ...]]) -> dict[Key, tuple[object, ...]]:
    """Return the newest row of each product and interval."""
    last: dict[tuple[str, str, str], int] = {}
    for key in rows:
        last[key[:3]] = max(last.get(key[:3], 0), key[3])
    return {(*key, end): rows[(*key, end)] for key, end in last.items()}


def _row(candles: dict[Key, dict[str, Any]], group: FeatureGroup, key: Key) -> tuple[object, ...]:
    values: list[object] = []
    complete = True
    for feature in group.features.values():
        windows = [list(_window(candles, each, key)) for each in feature.inputs]
        whole = all(candle is not None for window in windows for candle in window)
        complete &= whole
        values.append(_bytes(_value(feature, windows)) if whole else None)
    return (*values, complete)


def _window(
    candles: dict[Key, dict[str, Any]], wanted: Input, key: Key
) -> Iterable[dict[str, Any] | None]:
    exchange, product, interval, end = key
    source = wanted.interval or interval
    windows = Interval.parse(source)
    step = windows.us // 1_000
    last = windows.window_start(end * 1_000) // 1_000
    for place in range(wanted.length - 1, -1, -1):
        found = candles.get((exchange, wanted.product_id or product, source, last - place * step))
        yield found if found and found["complete"] else None


def _value(feature: Feature, windows: list[list[Any]]) -> float | None:
    arguments = []
    for window in windows:
        columns = {
            name: np.array(
                [[math.nan if each[name] is None else float(each[name])] for each in window]
            )
            for name in (*_NUMBERS, "window_end")
        }
        arguments.append(Candles(columns.__getitem__, Window(len(window))))
    with np.errstate(all="ignore"):
        try:
            number = float(as_numbers(feature.function(*arguments), 1)[0])
        except Exception:
            return None
    return number + 0.0 if math.isfinite(number) else None  # -0.0 is stored as 0.0


def _bytes(value: float | None) -> bytes | None:
    return None if value is None else np.float64(value).tobytes()
