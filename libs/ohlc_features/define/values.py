"""The numbers a feature function sees: one window's columns, for one row or thousands at once.

A `Series` is a column of a window, oldest first; a `Value` is one number of it. Each holds that
number for every row that is evaluated together, so that a function is written for one window and
runs on NumPy arrays over rows. Only IEEE operations that are exactly rounded on every processor
are used (+ - * / and square root), position by position, so a row's result does not depend on
which rows it is evaluated with.

A number that is not defined is NaN and stays NaN through every operation; a division by zero
gives NaN, never infinity. A NaN becomes null in the store.
"""

from collections.abc import Callable, Iterator
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Number = int | float


class RowByRowError(TypeError):
    """The function needs a plain number or a decision, which exists only for a single row."""


class Window:
    """What every column of one evaluation shares.

    Attributes:
        length: candles the feature declared; indices and default lengths refer to it.
        used_native: set when a column was handed to other numeric code as an array.
        used_recursion: set when an indicator used the whole history, so its start matters.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.used_native = False
        self.used_recursion = False


def divide(left: Floats | Number, right: Floats | Number) -> Floats:
    """Return ``left / right``; NaN where ``right`` is zero."""
    divisor = np.asarray(right, dtype=np.float64)
    return np.asarray(np.divide(left, np.where(divisor == 0.0, np.nan, divisor)), dtype=np.float64)


def _operand(other: object) -> Floats | Number | None:
    if isinstance(other, Value):
        return other.array
    if isinstance(other, int | float) and not isinstance(other, bool):
        return float(other)
    return None


class Truth:
    """A comparison's outcome for every row. Use it in `ta.where`; in an ``if`` it needs one row."""

    __slots__ = ("array",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Bools) -> None:
        self.array = array

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(self.array & other.array)

    def __or__(self, other: "Truth") -> "Truth":
        return Truth(self.array | other.array)

    def __invert__(self) -> "Truth":
        return Truth(~self.array)

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RowByRowError("a decision was asked for")
        return bool(self.array[0])


class Value:
    """One number of a window, for every row that is evaluated together."""

    __slots__ = ("array",)
    __hash__ = None  # type: ignore[assignment]
    # NumPy must hand `array + value` to this class instead of looping over it.
    __array_ufunc__ = None

    def __init__(self, array: Floats) -> None:
        self.array = array

    def _combine(
        self, other: object, operation: Callable[[Any, Any], Floats], *, swapped: bool = False
    ) -> "Value":
        right = _operand(other)
        if right is None:
            return NotImplemented  # type: ignore[no-any-return]
        return Value(operation(right, self.array) if swapped else operation(self.array, right))

    def __add__(self, other: object) -> "Value":
        return self._combine(other, np.add)

    def __radd__(self, other: object) -> "Value":
        return self._combine(other, np.add, swapped=True)

    def __sub__(self, other: object) -> "Value":
        return self._combine(other, np.subtract)

    def __rsub__(self, other: object) -> "Value":
        return self._combine(other, np.subtract, swapped=True)

    def __mul__(self, other: object) -> "Value":
        return self._combine(other, np.multiply)

    def __rmul__(self, other: object) -> "Value":
        return self._combine(other, np.multiply, swapped=True)

    def __truediv__(self, other: object) -> "Value":
        return self._combine(other, divide)

    def __rtruediv__(self, other: object) -> "Value":
        return self._combine(other, divide, swapped=True)

    def __neg__(self) -> "Value":
        return Value(-self.array)

    def __pos__(self) -> "Value":
        return self

    def __abs__(self) -> "Value":
        return Value(np.abs(self.array))

    def _compare(self, other: object, operation: Callable[[Any, Any], Bools]) -> Truth:
        right = _operand(other)
        if right is None:
            return NotImplemented  # type: ignore[no-any-return]
        return Truth(operation(self.array, right))

    def __lt__(self, other: object) -> Truth:
        return self._compare(other, np.less)

    def __le__(self, other: object) -> Truth:
        return self._compare(other, np.less_equal)

    def __gt__(self, other: object) -> Truth:
        return self._compare(other, np.greater)

    def __ge__(self, other: object) -> Truth:
        return self._compare(other, np.greater_equal)

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]
        return self._compare(other, np.equal)

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]
        return self._compare(other, np.not_equal)

    def __float__(self) -> float:
        if self.array.size != 1:
            raise RowByRowError("a plain number was asked for")
        return float(self.array[0])

    def __bool__(self) -> bool:
        return float(self) != 0.0


class Series:
    """A column of a window, oldest candle first: ``x[-1]`` is the newest.

    Slices and arithmetic give series; indexing and iterating give values. The candles before the
    declared window, which only a check of the window's length provides, are seen by recursive
    indicators alone.
    """

    __slots__ = ("_window", "matrix")
    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None

    def __init__(self, matrix: Floats, window: Window) -> None:
        """``matrix`` has one row per position of the window and one column per evaluated row."""
        self.matrix = matrix
        self._window = window

    @property
    def window(self) -> Window:
        """What the columns of this evaluation share."""
        return self._window

    @property
    def visible(self) -> Floats:
        """The positions of the declared window."""
        return self.matrix[max(0, len(self.matrix) - self._window.length) :]

    def __len__(self) -> int:
        return len(self.visible)

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> "Series": ...
    def __getitem__(self, index: int | slice) -> "Value | Series":
        if isinstance(index, slice):
            return Series(self.visible[index], self._window)
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"index {index} of a window of {len(self)}: x[-1] is the newest candle, "
                "and none after it is known"
            )
        return Value(self.visible[index])

    def __iter__(self) -> Iterator[Value]:
        return (Value(row) for row in self.visible)

    def __array__(self, dtype: object = None, copy: object = None) -> Floats:
        if self.matrix.shape[1] != 1:
            raise RowByRowError("an array of one window was asked for")
        self._window.used_native = True
        return np.array(self.visible[:, 0], dtype=np.float64)

    def _combine(
        self, other: object, operation: Callable[[Any, Any], Floats], *, swapped: bool = False
    ) -> "Series":
        right: Floats | Number | None
        left = self.matrix
        if isinstance(other, Series):
            if len(other) != len(self):
                raise ValueError(f"series of {len(self)} and {len(other)} candles do not combine")
            count = min(len(self.matrix), len(other.matrix))
            left, right = self.matrix[-count:], other.matrix[-count:]
        else:
            right = _operand(other)
            if right is None:
                return NotImplemented  # type: ignore[no-any-return]
        result = operation(right, left) if swapped else operation(left, right)
        return Series(result, self._window)

    def __add__(self, other: object) -> "Series":
        return self._combine(other, np.add)

    def __radd__(self, other: object) -> "Series":
        return self._combine(other, np.add, swapped=True)

    def __sub__(self, other: object) -> "Series":
        return self._combine(other, np.subtract)

    def __rsub__(self, other: object) -> "Series":
        return self._combine(other, np.subtract, swapped=True)

    def __mul__(self, other: object) -> "Series":
        return self._combine(other, np.multiply)

    def __rmul__(self, other: object) -> "Series":
        return self._combine(other, np.multiply, swapped=True)

    def __truediv__(self, other: object) -> "Series":
        return self._combine(other, divide)

    def __rtruediv__(self, other: object) -> "Series":
        return self._combine(other, divide, swapped=True)

    def __neg__(self) -> "Series":
        return Series(-self.matrix, self._window)

    def __bool__(self) -> bool:
        return len(self) > 0


#: The columns of a candle that a feature can use; ``window_end`` is ms since the Unix epoch, UTC.
COLUMNS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "buy_volume",
    "trade_count",
    "window_end",
)


class Candles:
    """One input of a feature: n consecutive stored, complete candles, the last ending at or
    before the row's time. ``buy_volume`` is NaN where the taker's side is not known.

    Args:
        matrix_of: returns a column's numbers, one row per position; called once a column.
        window: what the columns share.
    """

    def __init__(self, matrix_of: Callable[[str], Floats], window: Window) -> None:
        self._matrix_of = matrix_of
        self._window = window
        self._series: dict[str, Series] = {}

    def __len__(self) -> int:
        return self._window.length

    def _column(self, name: str) -> Series:
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = Series(self._matrix_of(name), self._window)
        return series

    @property
    def open(self) -> Series:
        """The price of each window's first trade."""
        return self._column("open")

    @property
    def high(self) -> Series:
        """The highest price of each window."""
        return self._column("high")

    @property
    def low(self) -> Series:
        """The lowest price of each window."""
        return self._column("low")

    @property
    def close(self) -> Series:
        """The price of each window's last trade."""
        return self._column("close")

    @property
    def volume(self) -> Series:
        """The quantity traded in each window."""
        return self._column("volume")

    @property
    def vwap(self) -> Series:
        """The volume-weighted average price of each window."""
        return self._column("vwap")

    @property
    def buy_volume(self) -> Series:
        """The quantity that takers bought; NaN where a trade's side is not known."""
        return self._column("buy_volume")

    @property
    def trade_count(self) -> Series:
        """How many trades each window had."""
        return self._column("trade_count")

    @property
    def window_end(self) -> Series:
        """When each window ended, ms since the Unix epoch, UTC."""
        return self._column("window_end")
