"""Stored candles as arrays: read for a range of windows, or kept for the newest ones.

`RecentCandles` spares the live writer from reading the same thousands of candles with every
batch. It is only trusted while nobody else wrote to the database.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ohlc_core.domain.interval import Interval
from ohlc_features.define.evaluate import CandleTable, Places
from ohlc_features.define.touched import first_end_ms, last_end_ms
from ohlc_features.define.values import Bools, Floats

#: The columns of the candles' table that features can use, in the order they are read.
NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "buy_volume", "trade_count")

#: Windows held beyond twice of what a row needs, so that they are read again seldom.
SPARE_WINDOWS = 256

#: Reads (product_id, window_end, *NUMBERS, complete) of some products and window ends
#: ``[from, to)``, in any order.
ReadCandles = Callable[[Sequence[str], int, int], Iterable[Sequence[Any]]]


class StoredWindows(NamedTuple):
    """Candles of some products on one grid.

    Attributes:
        table: for the evaluator.
        present: where there is a row, complete or not; a line per product.
        first_end_ms: the end of the window in the first place.
    """

    table: CandleTable
    present: Bools
    first_end_ms: int

    def times(self, product_id: str, from_ms: int, to_ms: int, step_ms: int) -> Places:
        """Return the ends in ``[from_ms, to_ms)`` at which the product has a row."""
        line = self.table.line(product_id)
        if line < 0:
            return np.zeros(0, np.int64)
        begin = max(0, -(-(from_ms - self.first_end_ms) // step_ms))
        end = max(begin, -(-(to_ms - self.first_end_ms) // step_ms))
        places = begin + np.flatnonzero(self.present[line, begin:end])
        return np.asarray(self.first_end_ms + places * step_ms, dtype=np.int64)


class _Arrays:
    """Lines of products, places of windows."""

    def __init__(self, interval: str, first_end_ms: int, count: int) -> None:
        self.interval = Interval.parse(interval)
        self.step_ms = self.interval.us // 1_000
        self.first_end_ms = first_end_ms
        self.count = count
        self.lines: dict[str, int] = {}
        self.numbers: Floats = np.full((len(NUMBERS), 0, count), np.nan)
        self.present: Bools = np.zeros((0, count), dtype=bool)
        self.complete: Bools = np.zeros((0, count), dtype=bool)

    def add_lines(self, products: Sequence[str]) -> None:
        """Make room for products that have none."""
        missing = [each for each in dict.fromkeys(products) if each not in self.lines]
        for product in missing:
            self.lines[product] = len(self.lines)
        room = len(self.lines) - self.present.shape[0]
        if room > 0:
            # In larger steps, so that a thousand products are not a thousand copies.
            room = max(room, self.present.shape[0] // 2)
            more = np.full((len(NUMBERS), room, self.count), np.nan)
            self.numbers = np.concatenate((self.numbers, more), axis=1)
            empty = np.zeros((room, self.count), dtype=bool)
            self.present = np.concatenate((self.present, empty))
            self.complete = np.concatenate((self.complete, empty))

    def put(self, rows: Iterable[Sequence[Any]]) -> None:
        """Enter (product_id, window_end, *NUMBERS, complete); what lies outside is left out."""
        kept = [
            (self.lines[row[0]], (row[1] - self.first_end_ms) // self.step_ms, row) for row in rows
        ]
        kept = [each for each in kept if 0 <= each[1] < self.count]
        if not kept:
            return
        lines = np.array([each[0] for each in kept])
        places = np.array([each[1] for each in kept])
        values = np.array([each[2][2:-1] for each in kept], dtype=np.float64)
        self.numbers[:, lines, places] = values.T
        self.present[lines, places] = True
        self.complete[lines, places] = [bool(each[2][-1]) for each in kept]

    def windows(self) -> StoredWindows:
        """Return what is there now."""
        columns = {name: self.numbers[at] for at, name in enumerate(NUMBERS)}
        products = list(self.lines) + [""] * (self.present.shape[0] - len(self.lines))
        table = CandleTable(self.interval, self.first_end_ms, products, columns, self.complete)
        return StoredWindows(table, self.present, self.first_end_ms)


def read_windows(
    read: ReadCandles, interval: str, products: Sequence[str], from_ms: int, to_ms: int
) -> StoredWindows:
    """Read the windows that end in ``[from_ms, to_ms)``."""
    step = Interval.parse(interval).us // 1_000
    first_end = first_end_ms(interval, from_ms)
    arrays = _Arrays(interval, first_end, max(0, -(-(to_ms - first_end) // step)))
    arrays.add_lines(products)
    arrays.put(read(products, from_ms, to_ms))
    return arrays.windows()


class RecentCandles:
    """The newest windows of every product of an exchange and interval.

    Args:
        interval: of the candles.
        length: the windows that a row may need.
    """

    def __init__(self, interval: str, length: int) -> None:
        self._interval = interval
        self._count = 2 * length + SPARE_WINDOWS
        self._arrays: _Arrays | None = None

    def holds_from(self, newest_ms: int) -> int:
        """Return the earliest window end that is held once ``newest_ms`` is asked for."""
        self._forget_before(newest_ms)
        if self._arrays is not None:
            return self._arrays.first_end_ms
        step = Interval.parse(self._interval).us // 1_000
        return last_end_ms(self._interval, newest_ms) - (self._count * 3 // 4) * step

    def forget(self) -> None:
        """Hold nothing: someone else may have written, or a transaction was rolled back."""
        self._arrays = None

    def put(self, rows: Sequence[Sequence[Any]]) -> None:
        """Enter rows that are being written, of products that are held; others are read later."""
        self._forget_before(max((row[1] for row in rows), default=0))
        arrays = self._arrays
        if arrays is not None:
            arrays.put([row for row in rows if row[0] in arrays.lines])

    def windows(self, read: ReadCandles, products: Sequence[str], newest_ms: int) -> StoredWindows:
        """Return the newest windows of at least ``products``, reading what is not held.

        Args:
            read: reads stored candles, those being written included.
            products: whose candles are needed.
            newest_ms: the newest window end that is needed.
        """
        step = Interval.parse(self._interval).us // 1_000
        begin = self.holds_from(newest_ms)
        if self._arrays is None:
            self._arrays = _Arrays(self._interval, begin, self._count)
        arrays = self._arrays
        missing = [each for each in dict.fromkeys(products) if each not in arrays.lines]
        if missing:
            arrays.add_lines(missing)
            end = arrays.first_end_ms + arrays.count * step
            arrays.put(read(missing, arrays.first_end_ms, end))
        return arrays.windows()

    def _forget_before(self, newest_ms: int) -> None:
        """Begin again when the newest window is beyond the last place.

        What the database holds there may never have been read, so nothing is moved.
        """
        arrays = self._arrays
        if arrays and newest_ms >= arrays.first_end_ms + arrays.count * arrays.step_ms:
            self._arrays = None
