"""Targets for training: functions of the candles behind a row's time, computed when they are read.

A target is the future by nature, so none is ever stored beside features.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_features.define.evaluate import CandleTable, Evaluator
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.values import Candles, Value
from ohlc_features.reading.frames import TIME

Target = str | Callable[[Candles], Any]
_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "buy_volume", "trade_count")


def _return(c: Candles) -> Value:
    return c.close[-1] / c.close[0] - 1.0


def _direction(c: Candles) -> Value:
    return Value(np.sign((c.close[-1] - c.close[0]).array))


_KNOWN: dict[str, Callable[[Candles], Any]] = {"return": _return, "direction": _direction}


def targets(candles: pl.DataFrame, target: Target, horizon: int) -> pl.DataFrame:
    """Return ``product_id``, ``window_end`` and ``target`` for the rows of some candles.

    Args:
        candles: complete ones of one exchange and interval.
        target: ``return`` of the close over the horizon, its ``direction`` (-1, 0, 1), or a
            function of the row's own candle and the ``horizon`` candles behind it.
        horizon: windows behind the row, at least 1.

    Raises:
        ValueError: the target is not known, or the horizon is below 1.
    """
    if isinstance(target, str) and target not in _KNOWN:
        raise ValueError(f"target was {target!r}; expected {', '.join(_KNOWN)} or a function")
    if horizon < 1:
        raise ValueError(f"horizon was {horizon}; it is at least 1 window")
    function = _KNOWN[target] if isinstance(target, str) else target
    parts = [
        _of_product(part, function, horizon)
        for part in candles.partition_by("product_id", maintain_order=True)
    ]
    schema = pl.Schema({"product_id": pl.String(), "window_end": TIME, "target": pl.Float64()})
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def _of_product(
    candles: pl.DataFrame, function: Callable[[Candles], Any], horizon: int
) -> pl.DataFrame:
    product, text = candles["product_id"][0], candles["candle_interval"][0]
    interval = Interval.parse(text)
    step = interval.us // 1_000
    ends = candles["window_end"].cast(pl.Int64).to_numpy()
    places = (ends - ends[0]) // step
    known = np.zeros((1, int(places[-1]) + 1), dtype=bool)
    known[0, places] = True
    columns = {}
    for name in _NUMBERS:
        column = np.full(known.shape, np.nan)
        column[0, places] = candles[name].cast(pl.Float64).to_numpy()
        columns[name] = column
    table = CandleTable(interval, int(ends[0]), [product], columns, known)
    group = FeatureGroup("targets", intervals=[text])

    def target(c: Candles) -> Any:  # noqa: ANN401 - whatever the user's function returns
        return function(c)

    group.feature(window=horizon + 1)(target)
    # Evaluated where the horizon ends, and known there: the row it belongs to is before that.
    rows = Evaluator(group).rows([(product, ends + horizon * step)], text, {text: table})
    if error := rows.errors.get("target"):
        raise ValueError(f"the target failed: {error}")
    return pl.DataFrame(
        {
            "product_id": [product] * len(ends),
            "window_end": candles["window_end"],
            "target": pl.Series(rows.values["target"]).fill_nan(None),
        }
    )
