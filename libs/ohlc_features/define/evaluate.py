"""The one evaluator: rows of a feature group from candles, however they came.

A row at T uses, of each input, exactly the n consecutive windows that end at or before T. Rows
are evaluated together; which rows are evaluated together changes no bit of any of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohlc_core.domain.interval import Interval
from ohlc_features.define.group import Feature, FeatureGroup, Input
from ohlc_features.define.values import (
    Bools,
    Candles,
    Floats,
    RowByRowError,
    Value,
    Window,
)

Places = NDArray[np.int64]

#: Rows that are evaluated together at most: the arrays of a long window then stay in the caches.
BLOCK_ROWS = 2_048


class CandleTable:
    """The candles of some products and one interval, on a common grid of windows.

    Args:
        interval: of the candles.
        first_end_ms: the end of the window in the first place.
        products: one per line of the arrays.
        columns: one array per column of `values.Candles` but ``window_end``, each with a line
            per product and a place per window.
        is_known: where there is a complete candle, in the same shape.
    """

    def __init__(
        self,
        interval: Interval,
        first_end_ms: int,
        products: Sequence[str],
        columns: Mapping[str, Floats],
        is_known: Bools,
    ) -> None:
        self._step_ms = interval.us // 1_000
        self._first_end_ms = first_end_ms
        self._lines = {product: line for line, product in enumerate(products)}
        self._count = is_known.shape[1]
        self._columns = {name: array.reshape(-1) for name, array in columns.items()}
        # Unknown windows before each place: a run of windows is whole when none is among them.
        unknown = np.zeros((len(products), self._count + 1), dtype=np.int64)
        np.cumsum(~is_known, axis=1, out=unknown[:, 1:])
        self._unknown_before = unknown.reshape(-1)

    def line(self, product_id: str) -> int:
        """Return the line of a product, -1 when there is none."""
        return self._lines.get(product_id, -1)

    def windows(self, lines: Places, times_ms: Places, length: int) -> "Windows":
        """Return, for rows at some times, the last ``length`` windows that end by then."""
        last = (times_ms - self._first_end_ms) // self._step_ms
        inside = (lines >= 0) & (last >= length - 1) & (last < self._count)
        safe_line, safe_last = np.where(inside, lines, 0), np.where(inside, last, length - 1)
        if not inside.any():
            return Windows(self, safe_last, length, inside)
        end = safe_line * (self._count + 1) + safe_last + 1
        whole = inside & (self._unknown_before[end] == self._unknown_before[end - length])
        return Windows(self, safe_line * self._count + safe_last, length, whole)

    def matrix(self, column: str, last: Places, length: int) -> Floats:
        """Return a column of windows: one line per position, oldest first."""
        if column == "window_end":
            positions = np.arange(1 - length, 1)[:, np.newaxis]
            ends = self._first_end_ms + self._step_ms * (last % self._count + positions)
            return np.asarray(ends, dtype=np.float64)
        numbers = self._columns[column]
        if len(last) > 1 and bool((np.diff(last) == 1).all()):
            # Rows one after the other share their candles: no copy is made.
            run = numbers[int(last[0]) - length + 1 : int(last[-1]) + 1]
            return np.asarray(np.lib.stride_tricks.sliding_window_view(run, len(last)))
        return np.asarray(numbers[last + np.arange(1 - length, 1)[:, np.newaxis]])


class Windows(NamedTuple):
    """One input's windows for some rows.

    Attributes:
        table: where the candles are.
        last: the place of each row's last window.
        length: windows per row.
        whole: whether all of them are there and complete.
    """

    table: "CandleTable | None"
    last: Places
    length: int
    whole: Bools

    def of_rows(self, rows: Places) -> "Windows":
        """Return the windows of some of the rows."""
        return Windows(self.table, self.last[rows], self.length, self.whole[rows])

    def matrix(self, column: str) -> Floats:
        """Return a column: one line per position, oldest first, one place per row."""
        if self.table is None:
            raise ValueError("there are no candles")
        return self.table.matrix(column, self.last, self.length)


class FeatureRows(NamedTuple):
    """Rows of a group, in the order of the times that were asked for.

    Attributes:
        values: one array per feature, NaN where it is null.
        complete: whether every input of every feature was whole.
        undefined: per feature, how many rows had whole inputs but no finite number.
        errors: per feature, the first exception's text.
    """

    values: dict[str, Floats]
    complete: Bools
    undefined: dict[str, int]
    errors: dict[str, str]


Tables = Mapping[str, CandleTable]


class Evaluator:
    """Evaluates the features of a group.

    Args:
        group: whose features.
        on_feature: called with a feature's name before it runs and with "" after: user code that
            hangs is then known by name.
    """

    def __init__(
        self, group: FeatureGroup, on_feature: Callable[[str], None] = lambda _name: None
    ) -> None:
        self.group = group
        self._on_feature = on_feature
        self._row_by_row: set[str] = set()
        self._native: set[str] = set()

    @property
    def row_by_row(self) -> frozenset[str]:
        """The features seen so far that do not run for many rows at once."""
        return frozenset(self._row_by_row)

    @property
    def native(self) -> frozenset[str]:
        """The features seen so far that gave their candles to other numeric code."""
        return frozenset(self._native)

    def rows(
        self, wanted: Sequence[tuple[str, Places]], interval: str, tables: Tables
    ) -> FeatureRows:
        """Return the rows of some products, one product after the other.

        Args:
            wanted: products, each with the times of its rows (window ends of ``interval``).
            interval: one of the group's.
            tables: per interval, the candles of every input; a table or product that is missing
                has no candles.
        """
        times = np.concatenate([each for _, each in wanted]) if wanted else np.zeros(0, np.int64)
        complete = np.ones(len(times), dtype=bool)
        values: dict[str, Floats] = {}
        undefined: dict[str, int] = {}
        errors: dict[str, str] = {}
        for name, feature in self.group.features.items():
            inputs = [_windows(each, wanted, times, interval, tables) for each in feature.inputs]
            whole = np.logical_and.reduce([each.whole for each in inputs])
            result = np.full(len(times), np.nan)
            places = np.flatnonzero(whole)
            for begin in range(0, len(places), BLOCK_ROWS):
                block = places[begin : begin + BLOCK_ROWS]
                numbers, error = self._block(feature, _Block([w.of_rows(block) for w in inputs]))
                result[block] = numbers
                if error:
                    errors.setdefault(name, error)
            result[~np.isfinite(result)] = np.nan
            result += 0.0  # SQLite keeps no negative zero: a row read back has the same bytes
            undefined[name] = int((whole & np.isnan(result)).sum())
            complete &= whole
            values[name] = result
        return FeatureRows(values, complete, undefined, errors)

    def _block(self, feature: Feature, block: "_Block") -> tuple[Floats, str]:
        if feature.name not in self._row_by_row:
            try:
                return self._call(feature, block), ""
            except RowByRowError:
                self._row_by_row.add(feature.name)
            except Exception:
                pass
        numbers = np.full(block.rows, np.nan)
        first_error = ""
        for row in range(block.rows):
            try:
                numbers[row] = self._call(feature, block.row(row))[0]
            except Exception as error:
                text = " ".join(str(error).split())
                first_error = first_error or f"{type(error).__name__}: {text}"
        return numbers, first_error

    def _call(self, feature: Feature, block: "_Block") -> Floats:
        windows = [Window(each.length) for each in feature.inputs]
        arguments = [
            Candles(partial(block.matrix, at), window) for at, window in enumerate(windows)
        ]
        self._on_feature(f"{self.group.name}.{feature.name}")
        try:
            with np.errstate(all="ignore"):
                result = feature.function(*arguments)
        finally:
            self._on_feature("")
        if any(window.used_native for window in windows):
            self._native.add(feature.name)
        return as_numbers(result, block.rows)


def as_numbers(result: object, count: int) -> Floats:
    """Return what a feature function returned as one number per row.

    Raises:
        TypeError: it is no number.
    """
    if result is None:
        return np.full(count, np.nan)
    if isinstance(result, Value):
        return np.asarray(np.broadcast_to(result.array, (count,)), dtype=np.float64)
    if isinstance(result, bool | np.bool_) or not isinstance(
        result, int | float | np.floating | np.integer
    ):
        raise TypeError(f"it returned {type(result).__name__}; a feature is one number")
    return np.full(count, float(result))


def _windows(
    wanted: Input,
    rows: Sequence[tuple[str, Places]],
    times: Places,
    interval: str,
    tables: Tables,
) -> Windows:
    table = tables.get(wanted.interval or interval)
    if table is None:
        nothing = np.zeros(len(times), dtype=bool)
        return Windows(None, np.zeros(len(times), np.int64), wanted.length, nothing)
    if wanted.product_id is not None:
        lines = np.full(len(times), table.line(wanted.product_id), dtype=np.int64)
    else:
        own = np.array([table.line(product) for product, _ in rows], dtype=np.int64)
        lines = np.repeat(own, [len(each) for _, each in rows])
    return table.windows(lines, times, wanted.length)


class _Block:
    """The windows of some rows, gathered column by column when a function asks for one."""

    def __init__(self, inputs: Sequence[Windows]) -> None:
        self._inputs = inputs
        self.rows = len(inputs[0].last)

    def matrix(self, at: int, column: str) -> Floats:
        """Return a column of the input at a place of the parameters."""
        return self._inputs[at].matrix(column)

    def row(self, number: int) -> "_Block":
        """Return the windows of one row alone."""
        only = np.array([number])
        return _Block([each.of_rows(only) for each in self._inputs])
