"""How fresh the rows of a span were, by the store itself.

A row's ``stored_at`` is when it could be read; with what replaced rows had it gives every window's
wait, also where several windows came in one write, and costs the run nothing.
"""

import sqlite3
import statistics
from collections.abc import Iterable
from typing import NamedTuple

_ROWS = """
    SELECT product_id, window_end, stored_at, trade_count FROM ohlc_1
    WHERE window_end >= ? AND window_end < ?
"""
_REPLACED = """
    SELECT product_id, window_end, stored_at, 0 FROM ohlc_1_replaced
    WHERE window_end >= ? AND window_end < ?
"""


class Waits(NamedTuple):
    """The rows of a span.

    Attributes:
        ms: from window end + grace to the row being readable; a missing row counts with the time
            it was waited for.
        missing: rows that did not come.
        trades: in all rows.
    """

    ms: list[float]
    missing: int
    trades: int


def waits(
    rows: Iterable[tuple[str, int, int, int]],
    due: Iterable[tuple[str, int]],
    grace_ms: int,
    looked_ms: int,
) -> Waits:
    """Return how long rows took.

    Args:
        rows: product, window end, when it could be read (both ms), trades; several of one window
            where it was corrected.
        due: product and end of every window that there should be.
        grace_ms: the aggregator's.
        looked_ms: when the store was read.
    """
    first: dict[tuple[str, int], int] = {}
    trades = 0
    for product, end_ms, stored_ms, count in rows:
        window = (product, end_ms)
        first[window] = min(stored_ms, first.get(window, stored_ms))
        trades += count
    found, missing = [], 0
    for window in due:
        missing += window not in first
        found.append(float(first.get(window, looked_ms) - window[1] - grace_ms))
    return Waits(found, missing, trades)


def read(store: sqlite3.Connection, from_ms: int, until_ms: int) -> list[tuple[str, int, int, int]]:
    """Return the rows of the windows that end in ``[from_ms, until_ms)``, for `waits`."""
    span = (from_ms, until_ms)
    return [*store.execute(_ROWS, span), *store.execute(_REPLACED, span)]


def quantiles(values: list[float]) -> tuple[float, float, float, float]:
    """Return p50, p90, p99 and the largest."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[89], cuts[98], max(values)
