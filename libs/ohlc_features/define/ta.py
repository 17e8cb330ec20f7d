"""Indicators of one window: exact in their order of operations, so equal on every machine.

Each takes series (``c.close``), oldest candle first, and returns the number of the newest candle.
Lengths count candles and default to the whole declared window. Where a number is not defined (a
division by zero, a missing input) it is NaN, which becomes null.
"""

from itertools import pairwise

import numpy as np

from ohlc_features.define.circle import sine_and_cosine
from ohlc_features.define.logarithm import LN_2, natural_logarithm
from ohlc_features.define.recursion import exponential, exponential_alpha, fade
from ohlc_features.define.recursion import mean as _mean
from ohlc_features.define.recursion import total as _total
from ohlc_features.define.recursion import wilder as _wilder
from ohlc_features.define.values import Floats, Number, Series, Truth, Value, divide

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
# The Unix epoch was a Thursday; a week here begins on Monday.
_MONDAY_MS = 4 * _DAY_MS


_ONE_MORE = frozenset(("returns", "log_return", "realised_volatility", "lag"))
_ITS_LENGTH = frozenset(
    (
        "total", "mean", "sma", "deviation", "minimum", "maximum", "bollinger", "z_score",
        "stochastic", "parkinson", "vwap", "order_flow_imbalance", "slope", "correlation",
    )
)  # fmt: skip


def _last(x: Series, length: int | None) -> Floats:
    """Return the last ``length`` positions of the declared window."""
    visible = x.visible
    if length is None:
        return visible
    if not 1 <= length <= len(visible):
        raise ValueError(f"{length} candles were asked for, of a window of {len(visible)}")
    return visible[len(visible) - length :]


def _all(x: Series, least: int) -> Floats:
    """Return every position there is, for an average that remembers."""
    x.window.used_recursion = True
    if least < 1 or len(x) < least:
        raise ValueError(f"{least} candles are needed at least, of a window of {len(x)}")
    return x.matrix


def _ln(array: Floats) -> Floats:
    return natural_logarithm(array)


# --- basics ----------------------------------------------------------------------------------


def total(x: Series, length: int | None = None) -> Value:
    """Return the sum, oldest first."""
    return Value(_total(_last(x, length)))


def mean(x: Series, length: int | None = None) -> Value:
    """Return the mean."""
    return Value(_mean(_last(x, length)))


def sma(x: Series, length: int | None = None) -> Value:
    """Return the simple moving average: the mean of the last ``length`` candles."""
    return mean(x, length)


def deviation(x: Series, length: int | None = None) -> Value:
    """Return the standard deviation, dividing by the count (as TA-Lib does)."""
    return Value(np.sqrt(_variance(_last(x, length))))


def _variance(matrix: Floats) -> Floats:
    center = _mean(matrix)
    return _mean((matrix - center) * (matrix - center))


def minimum(x: Series, length: int | None = None) -> Value:
    """Return the smallest number."""
    return Value(np.minimum.reduce(_last(x, length), axis=0))


def maximum(x: Series, length: int | None = None) -> Value:
    """Return the largest number."""
    return Value(np.maximum.reduce(_last(x, length), axis=0))


def lag(x: Series, count: int) -> Value:
    """Return the number ``count`` candles before the newest.

    Raises:
        ValueError: ``count`` is negative, which would be the future.
    """
    if count < 0:
        raise ValueError(f"lag was {count}: a candle after the row's time is not known")
    return x[-1 - count]


def ratio(left: Value | Number, right: Value | Number) -> Value:
    """Return ``left / right``; NaN where ``right`` is zero."""
    return Value(divide(_array(left), _array(right)))


def where(condition: Truth, then: Value | Number, otherwise: Value | Number) -> Value:
    """Return one or the other number, row by row: an ``if`` that works for many rows at once."""
    return Value(np.where(condition.array, _array(then), _array(otherwise)))


def sqrt(x: Value) -> Value:
    """Return the square root; NaN of a negative number."""
    return Value(np.sqrt(x.array))


def ln(x: Value) -> Value:
    """Return the natural logarithm; NaN of a number that is not positive."""
    return Value(_ln(x.array))


def _array(x: Value | Number) -> Floats | Number:
    return x.array if isinstance(x, Value) else x


# --- averages that remember ------------------------------------------------------------------


def ema(x: Series, length: int) -> Value:
    """Return the exponential moving average, started by the mean of the oldest candles."""
    return Value(exponential(_all(x, length), length)[-1])


def wilder(x: Series, length: int) -> Value:
    """Return Wilder's average (weight ``1 / length``), started by the mean of the oldest."""
    return Value(_wilder(_all(x, length), length))


def rsi(x: Series, length: int = 14) -> Value:
    """Return Wilder's relative strength index, 0 to 100; NaN where nothing moved."""
    matrix = _all(x, length + 1)
    changes = matrix[1:] - matrix[:-1]
    gain = _wilder(np.maximum(changes, 0.0), length)
    loss = _wilder(np.maximum(-changes, 0.0), length)
    return Value(divide(100.0 * gain, gain + loss))


def atr(high: Series, low: Series, close: Series, length: int = 14) -> Value:
    """Return Wilder's average true range, in units of the price."""
    highs, lows = _all(high, length + 1)[1:], _all(low, length + 1)[1:]
    before = _all(close, length + 1)[:-1]
    ranges = np.maximum(highs - lows, np.maximum(np.abs(highs - before), np.abs(lows - before)))
    return Value(_wilder(ranges, length))


def macd(x: Series, fast: int = 12, slow: int = 26) -> Value:
    """Return the MACD line: the fast exponential average less the slow one."""
    return Value(_macd_line(x, fast, slow)[-1])


def macd_signal(x: Series, fast: int = 12, slow: int = 26, signal: int = 9) -> Value:
    """Return the MACD's signal line: the exponential average of the MACD line."""
    line = _macd_line(x, fast, slow)
    if len(line) < signal:
        raise ValueError(
            f"{slow + signal - 1} candles are needed at least, of a window of {len(x)}"
        )
    return Value(exponential(line, signal)[-1])


def _macd_line(x: Series, fast: int, slow: int) -> Floats:
    if fast >= slow:
        raise ValueError(f"fast was {fast} and slow was {slow}; fast is the shorter one")
    matrix = _all(x, slow)
    return exponential(matrix, fast)[slow - fast :] - exponential(matrix, slow)


def window(name: str, *lengths: int) -> int:
    """Return how many candles an indicator needs for its start to weigh less than 1e-8.

    Args:
        name: ``ema``, ``wilder``, ``rsi``, ``atr``, ``macd`` or ``macd_signal``; or any other
            indicator of this module, which needs its own length.
        lengths: the indicator's lengths, e.g. ``window("rsi", 14)``.

    Raises:
        ValueError: there is no such indicator.
    """
    needed: int | None = None
    match name, lengths:
        case "ema", (length,):
            needed = fade(exponential_alpha(length))
        case "wilder", (length,):
            needed = fade(1.0 / length)
        case (("rsi" | "atr"), (length,)):
            needed = 1 + fade(1.0 / length)
        case "macd", (fast, slow):
            needed = fade(exponential_alpha(max(fast, slow)))
        case "macd_signal", (fast, slow, signal):
            needed = fade(exponential_alpha(max(fast, slow))) + fade(exponential_alpha(signal))
        case _, (length,) if name in _ONE_MORE:
            needed = length + 1
        case _, (length,) if name in _ITS_LENGTH:
            needed = length
    if needed is not None:
        return needed
    raise ValueError(f"there is no indicator {name!r} with {len(lengths)} lengths")


# --- returns and volatility ------------------------------------------------------------------


def returns(x: Series, length: int = 1) -> Value:
    """Return the relative change over ``length`` candles."""
    return x[-1] / lag(x, length) - 1.0


def log_return(x: Series, length: int = 1) -> Value:
    """Return the logarithm of the ratio over ``length`` candles."""
    return ln(x[-1] / lag(x, length))


def realised_volatility(x: Series, length: int | None = None) -> Value:
    """Return the root of the sum of squared log returns, over ``length`` returns."""
    matrix = _last(x, None if length is None else length + 1)
    if len(matrix) < 2:
        raise ValueError("2 candles are needed at least")
    logs = _ln(divide(matrix[1:], matrix[:-1]))
    return Value(np.sqrt(_total(logs * logs)))


def parkinson(high: Series, low: Series, length: int | None = None) -> Value:
    """Return Parkinson's volatility per candle, from highs and lows."""
    logs = _ln(divide(_last(high, length), _last(low, length)))
    return Value(np.sqrt(_mean(logs * logs) / (4.0 * LN_2)))


# --- levels and channels ---------------------------------------------------------------------


def bollinger(x: Series, length: int | None = None, width: float = 2.0) -> tuple[Value, Value]:
    """Return the lower and the upper Bollinger band: ``width`` deviations around the mean."""
    matrix = _last(x, length)
    center, spread = _mean(matrix), width * np.sqrt(_variance(matrix))
    return Value(center - spread), Value(center + spread)


def z_score(x: Series, length: int | None = None) -> Value:
    """Return the newest number's distance from the mean, in standard deviations."""
    matrix = _last(x, length)
    return Value(divide(matrix[-1] - _mean(matrix), np.sqrt(_variance(matrix))))


def stochastic(high: Series, low: Series, close: Series, length: int | None = None) -> Value:
    """Return where the close lies between lowest low and highest high, 0 to 100."""
    lowest, highest = minimum(low, length).array, maximum(high, length).array
    return Value(divide(100.0 * (close[-1].array - lowest), highest - lowest))


# --- volume ----------------------------------------------------------------------------------


def vwap(price: Series, volume: Series, length: int | None = None) -> Value:
    """Return the volume-weighted price over candles, of each candle's own (``c.vwap``)."""
    weights = _last(volume, length)
    return Value(divide(_total(_last(price, length) * weights), _total(weights)))


def order_flow_imbalance(buy_volume: Series, volume: Series, length: int | None = None) -> Value:
    """Return taker buys less sells over volume, -1 to 1; NaN where sides are unknown."""
    bought, traded = _total(_last(buy_volume, length)), _total(_last(volume, length))
    return Value(divide(2.0 * bought - traded, traded))


# --- shape -----------------------------------------------------------------------------------


def slope(x: Series, length: int | None = None) -> Value:
    """Return the slope of the least-squares line, per candle."""
    matrix = _last(x, length)
    count = len(matrix)
    if count < 2:
        raise ValueError("2 candles are needed at least")
    center = (count - 1) / 2
    weights = [place - center for place in range(count)]
    squares = count * (count * count - 1) / 12
    terms = np.stack([row * weight for row, weight in zip(matrix, weights, strict=True)])
    return Value(_total(terms) / squares)


def correlation(x: Series, y: Series, length: int | None = None) -> Value:
    """Return Pearson's correlation, -1 to 1; NaN where one of both did not move."""
    first, second = _last(x, length), _last(y, length)
    if len(first) != len(second):
        raise ValueError(f"series of {len(first)} and {len(second)} candles have no correlation")
    left, right = first - _mean(first), second - _mean(second)
    spread = np.sqrt(_total(left * left)) * np.sqrt(_total(right * right))
    return Value(divide(_total(left * right), spread))


def is_rising(x: Series, length: int | None = None) -> Value:
    """Return 1 where each candle's number is above the one before, else 0."""
    rising = np.ones(x.matrix.shape[1], dtype=bool)
    for before, after in pairwise(_last(x, length)):
        rising &= after > before
    return Value(rising.astype(np.float64))


# --- the calendar ----------------------------------------------------------------------------


def time_of_day(times: Series) -> tuple[Value, Value]:
    """Return sine and cosine of the newest time (``c.window_end``) within its day, UTC."""
    sine, cosine = sine_and_cosine(times[-1].array, _DAY_MS)
    return Value(sine), Value(cosine)


def time_of_week(times: Series) -> tuple[Value, Value]:
    """Return sine and cosine of the newest time within its week, which begins on Monday, UTC."""
    sine, cosine = sine_and_cosine(times[-1].array - _MONDAY_MS, _WEEK_MS)
    return Value(sine), Value(cosine)
