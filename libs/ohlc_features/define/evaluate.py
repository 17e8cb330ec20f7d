"""The one evaluator: rows of a feature group from candles, however they came.

A row at T uses, of each input, exactly the n consecutive windows that end at or before T. Rows
are evaluated together; which rows are evaluated together changes no bit of any of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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


class SeriesKey(NamedTuple):
    """Whose candles of which interval."""

    product_id: str
    interval: str


class CandleGrid:
    """The candles of one product and interval on their grid: one place per window.

    Args:
        interval: of the candles.
        first_end_ms: the end of the window in the first place.
        columns: one array per column of `values.Candles` but ``window_end``.
        is_known: whether a place holds a complete candle.
    """

    def __init__(
        self,
        interval: Interval,
        first_end_ms: int,
        columns: Mapping[str, Floats],
        is_known: Bools,
    ) -> None:
        self._step_ms = interval.us // 1_000
        self._first_end_ms = first_end_ms
        count = len(is_known)
        ends = first_end_ms + self._step_ms * np.arange(count, dtype=np.int64)
        self._columns = {**columns, "window_end": ends.astype(np.float64)}
        # Unknown before each place: a window is whole when none is within it.
        self._unknown_before = np.concatenate(([0], np.cumsum(~is_known))).astype(np.int64)

    def last_places(self, times_ms: Places) -> Places:
        """Return the place of the last window that ends at or before each time."""
        return (times_ms - self._first_end_ms) // self._step_ms

    def is_whole(self, last: Places, length: int) -> Bools:
        """Return whether the ``length`` windows up to each place are all there and complete."""
        count = len(self._unknown_before) - 1
        inside = (last - length >= -1) & (last < count)
        end = np.where(inside, last + 1, length)
        end = np.minimum(end, count)
        begin = np.maximum(end - length, 0)
        return np.asarray(inside & (self._unknown_before[end] == self._unknown_before[begin]))

    def matrix(self, column: str, last: Places, length: int) -> Floats:
        """Return a column of each row's window: one row per position, oldest first."""
        numbers = self._columns[column]
        if len(last) and int(last[-1]) - int(last[0]) == len(last) - 1 and _is_run(last):
            begin = int(last[0]) - length + 1
            view = np.lib.stride_tricks.sliding_window_view(
                numbers[begin : int(last[-1]) + 1], len(last)
            )
            return np.asarray(view[:length])
        places = last[np.newaxis, :] + np.arange(1 - length, 1)[:, np.newaxis]
        return np.asarray(numbers[places])


def _is_run(places: Places) -> bool:
    return bool((np.diff(places) == 1).all())


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


Grids = Mapping[SeriesKey, CandleGrid]


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

    def rows(self, product_id: str, interval: str, times_ms: Places, grids: Grids) -> FeatureRows:
        """Return one product's rows at ``times_ms`` (window ends of ``interval``).

        Args:
            product_id: whose rows.
            interval: one of the group's.
            times_ms: of the rows.
            grids: the candles of every input (`inputs_of`); one that is missing holds none.
        """
        return self.mixed_rows([(product_id, times_ms)], interval, grids)

    def mixed_rows(
        self, wanted: Sequence[tuple[str, Places]], interval: str, grids: Grids
    ) -> FeatureRows:
        """Return the rows of several products, one after the other, evaluated together."""
        count = sum(len(times) for _, times in wanted)
        complete = np.ones(count, dtype=bool)
        values: dict[str, Floats] = {}
        undefined: dict[str, int] = {}
        errors: dict[str, str] = {}
        for name, feature in self.group.features.items():
            sources = [
                [_source(each, product, interval, times, grids) for each in feature.inputs]
                for product, times in wanted
            ]
            whole = (
                np.concatenate([_whole(each) for each in sources])
                if sources
                else np.zeros(0, dtype=bool)
            )
            result = np.full(count, np.nan)
            if whole.any():
                numbers, error = self._numbers(feature, sources, whole)
                result[whole] = numbers
                if error:
                    errors[name] = error
            result[~np.isfinite(result)] = np.nan
            undefined[name] = int((whole & np.isnan(result)).sum())
            complete &= whole
            values[name] = result
        return FeatureRows(values, complete, undefined, errors)

    def _numbers(
        self, feature: Feature, sources: "Sequence[list[_Source]]", whole: Bools
    ) -> tuple[Floats, str]:
        """Return the feature of the whole rows, and the first error."""
        numbers: list[Floats] = []
        first_error = ""
        for block in _blocks(sources, whole):
            part, error = self._block(feature, block)
            first_error = first_error or error
            numbers.append(part)
        return np.concatenate(numbers), first_error

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


class _Source(NamedTuple):
    """One input of one product's rows."""

    grid: CandleGrid | None
    last: Places
    length: int


def _source(wanted: Input, product: str, interval: str, times: Places, grids: Grids) -> _Source:
    grid = grids.get(input_series(wanted, product, interval))
    last = np.full(len(times), -1) if grid is None else grid.last_places(times)
    return _Source(grid, last, wanted.length)


def input_series(wanted: Input, product_id: str, interval: str) -> SeriesKey:
    """Return whose candles an input means for rows of a product and interval."""
    return SeriesKey(wanted.product_id or product_id, wanted.interval or interval)


def _whole(sources: "list[_Source]") -> Bools:
    whole = np.ones(len(sources[0].last), dtype=bool)
    for each in sources:
        whole &= False if each.grid is None else each.grid.is_whole(each.last, each.length)
    return whole


class _Block:
    """The windows of some rows, gathered column by column when a function asks for one.

    Args:
        parts: per product, its inputs with the places of the rows.
    """

    def __init__(self, parts: Sequence[Sequence[_Source]]) -> None:
        self._parts = parts
        self.rows = sum(len(part[0].last) for part in parts)

    def matrix(self, at: int, column: str) -> Floats:
        """Return a column of the input at a place of the parameters."""
        found = [
            part[at].grid.matrix(column, part[at].last, part[at].length)  # type: ignore[union-attr]
            for part in self._parts
        ]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def row(self, number: int) -> "_Block":
        """Return the windows of one row alone."""
        for part in self._parts:
            if number < len(part[0].last):
                only = slice(number, number + 1)
                return _Block([[each._replace(last=each.last[only]) for each in part]])
            number -= len(part[0].last)
        raise IndexError(number)


def _blocks(sources: Sequence[list[_Source]], whole: Bools) -> Iterator[_Block]:
    """Yield the windows of the whole rows, some thousand rows at a time."""
    pending: list[list[_Source]] = []
    pending_rows, begin = 0, 0
    for product in sources:
        rows = np.flatnonzero(whole[begin : begin + len(product[0].last)])
        begin += len(product[0].last)
        for at in range(0, len(rows), BLOCK_ROWS):
            part = rows[at : at + BLOCK_ROWS]
            pending.append([each._replace(last=each.last[part]) for each in product])
            pending_rows += len(part)
            if pending_rows >= BLOCK_ROWS:
                yield _Block(pending)
                pending, pending_rows = [], 0
    if pending:
        yield _Block(pending)
