"""What shows when definitions run: order, truncation, windows that are too short, time per row."""

import random
import time
from typing import NamedTuple

import numpy as np

from ohlc_features.checking.sample import PRODUCT, SampleMarket
from ohlc_features.define.evaluate import Evaluator, FeatureRows, as_numbers
from ohlc_features.define.group import Feature, FeatureGroup
from ohlc_features.define.values import Candles, Window

ROWS = 400
#: A longer history may change an indicator by this much, relative to its size.
TOLERANCE = 1e-6


class Behaviour(NamedTuple):
    """What was seen of one feature in one interval.

    Attributes:
        problems: rule and text of each reason to refuse it.
        nulls: rows without a number, of `ROWS`.
        microseconds: per row, evaluated together.
        is_row_by_row: whether it only runs for one row at a time.
        is_native: whether it gave its candles to other numeric code.
    """

    problems: list[tuple[str, str]]
    nulls: int
    microseconds: float
    is_row_by_row: bool
    is_native: bool


def evaluate_sample(group: FeatureGroup, interval: str, order_seed: int = 0) -> dict[str, str]:
    """Return each feature's numbers over the sample as hexadecimal bytes.

    The rows are evaluated in an order given by the seed and returned in the order of their times.
    """
    market = SampleMarket(group, interval, ROWS)
    order = list(range(ROWS))
    random.Random(order_seed).shuffle(order)
    rows = Evaluator(group).rows([(PRODUCT, market.times[order])], interval, market.tables())
    back = np.argsort(np.array(order))
    return {name: numbers[back].tobytes().hex() for name, numbers in rows.values.items()}


def behaviour(group: FeatureGroup, interval: str, loops: frozenset[str]) -> dict[str, Behaviour]:
    """Run every feature of a group over the sample.

    Args:
        group: of a file of definitions.
        interval: of the rows.
        loops: features that go over candles by hand, so that a recursion may hide in them.
    """
    market = SampleMarket(group, interval, ROWS)
    evaluator = Evaluator(group)
    rows = evaluator.rows([(PRODUCT, market.times)], interval, market.tables())
    result = {}
    for name, feature in group.features.items():
        alone = FeatureGroup(group.name, version=group.version, intervals=[interval])
        alone.features[name] = feature
        began = time.perf_counter()
        Evaluator(alone).rows([(PRODUCT, market.times)], interval, market.tables())
        seconds = time.perf_counter() - began
        problems = _errors(name, rows)
        if not problems:
            problems += _future(name, evaluator, market, rows)
            problems += _window(feature, group, interval, is_loop=name in loops)
        result[name] = Behaviour(
            problems,
            int(np.isnan(rows.values[name]).sum()),
            seconds / ROWS * 1e6,
            name in evaluator.row_by_row,
            name in evaluator.native,
        )
    return result


def _errors(name: str, rows: FeatureRows) -> list[tuple[str, str]]:
    error = rows.errors.get(name)
    if error is not None:
        rule = "look-ahead" if "none after it is known" in error or "future" in error else "error"
        return [(rule, error)]
    if np.isnan(rows.values[name]).all():
        return [("null", f"no row of {ROWS} has a number")]
    return []


def _future(
    name: str, evaluator: Evaluator, market: SampleMarket, rows: FeatureRows
) -> list[tuple[str, str]]:
    """Compare with what comes out when nothing later exists."""
    for place in (ROWS // 4, ROWS // 2, ROWS - 1):
        moment = int(market.times[place])
        cut = evaluator.rows(
            [(PRODUCT, market.times[place : place + 1])], market.interval, market.tables(moment)
        )
        if cut.values[name].tobytes() != rows.values[name][place : place + 1].tobytes():
            return [
                (
                    "look-ahead",
                    "the number changes when candles after the row's time are removed",
                )
            ]
    return []


def _window(
    feature: Feature, group: FeatureGroup, interval: str, *, is_loop: bool
) -> list[tuple[str, str]]:
    """Compare n candles with twice as many."""
    market = SampleMarket(group, interval, 8, stretch=2)
    change, size = 0.0, 0.0
    for time_ms in market.times.tolist():
        once, _ = _call(feature, market, time_ms, stretch=1, show_all=False)
        twice, windows = _call(feature, market, time_ms, stretch=2, show_all=False)
        if is_loop or any(window.used_native for window in windows):
            twice, _ = _call(feature, market, time_ms, stretch=2, show_all=True)
        elif not any(window.used_recursion for window in windows):
            return []
        if np.isfinite(once) != np.isfinite(twice):
            change = float("inf")
        elif np.isfinite(once):
            change = max(change, abs(once - twice))
            size = max(size, abs(once), abs(twice))
    # Relative to the largest of some rows: a number that passes through zero has no size itself.
    worst = change / size if size else change
    if worst <= TOLERANCE:
        return []
    return [
        (
            "window",
            f"twice the window changes the number by {worst:.1e} (allowed: {TOLERANCE:.0e}): the "
            "window is too short for an average that remembers (ta.window says how long it must "
            "be), or a loop or array takes all of it (name the length: c.close[-20:])",
        )
    ]


def _call(
    feature: Feature, market: SampleMarket, time_ms: int, *, stretch: int, show_all: bool
) -> tuple[float, list[Window]]:
    windows = []
    arguments = []
    tables = market.tables()
    for each in feature.inputs:
        table = tables[each.interval or market.interval]
        line = np.array([table.line(each.product_id or PRODUCT)], dtype=np.int64)
        found = table.windows(line, np.array([time_ms], dtype=np.int64), each.length * stretch)
        window = Window(found.length if show_all else each.length)
        windows.append(window)
        arguments.append(Candles(found.matrix, window))
    with np.errstate(all="ignore"):
        try:
            result = feature.function(*arguments)
            return float(as_numbers(result, 1)[0]), windows
        except Exception:
            return float("nan"), windows
