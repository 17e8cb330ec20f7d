"""Indicators against TA-Lib, the oracle, and against exact computations."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import talib

from ohlc_features.define import Candles, Value, ta
from ohlc_features.define.circle import sine_and_cosine
from ohlc_features.define.logarithm import natural_logarithm
from ohlc_features.define.values import Series, Window
from support.candle_tables import random_columns

COLUMNS = random_columns(1_200, 5)


def _candles(length: int, columns: dict[str, np.ndarray] = COLUMNS) -> Candles:
    """One window: the newest ``length`` candles."""
    return Candles(lambda name: columns[name][-length:].reshape(-1, 1), Window(length))


def _oracle(array: np.ndarray) -> float:
    return float(array[-1])


C = COLUMNS
AGAINST_TALIB: list[tuple[str, int, Callable[[Candles], Value], float]] = [
    ("sma", 50, lambda c: ta.sma(c.close), _oracle(talib.SMA(C["close"], 50))),
    ("ema", 129, lambda c: ta.ema(c.close, 14), _oracle(talib.EMA(C["close"], 14))),
    ("rsi", 250, lambda c: ta.rsi(c.close, 14), _oracle(talib.RSI(C["close"], 14))),
    (
        "atr",
        250,
        lambda c: ta.atr(c.high, c.low, c.close, 14),
        _oracle(talib.ATR(C["high"], C["low"], C["close"], 14)),
    ),
    ("macd", 240, lambda c: ta.macd(c.close), _oracle(talib.MACD(C["close"], 12, 26, 9)[0])),
    (
        "macd_signal",
        330,
        lambda c: ta.macd_signal(c.close),
        _oracle(talib.MACD(C["close"], 12, 26, 9)[1]),
    ),
    (
        "bollinger upper",
        20,
        lambda c: ta.bollinger(c.close)[1],
        _oracle(talib.BBANDS(C["close"], 20, 2, 2)[0]),
    ),
    ("deviation", 20, lambda c: ta.deviation(c.close), _oracle(talib.STDDEV(C["close"], 20))),
    ("maximum", 20, lambda c: ta.maximum(c.high), _oracle(talib.MAX(C["high"], 20))),
    ("minimum", 20, lambda c: ta.minimum(c.low), _oracle(talib.MIN(C["low"], 20))),
    (
        "stochastic",
        14,
        lambda c: ta.stochastic(c.high, c.low, c.close),
        _oracle(talib.STOCHF(C["high"], C["low"], C["close"], 14, 1)[0]),
    ),
    ("returns", 6, lambda c: ta.returns(c.close, 5), _oracle(talib.ROCP(C["close"], 5))),
    ("slope", 30, lambda c: ta.slope(c.close), _oracle(talib.LINEARREG_SLOPE(C["close"], 30))),
    (
        "correlation",
        30,
        lambda c: ta.correlation(c.high, c.low),
        _oracle(talib.CORREL(C["high"], C["low"], 30)),
    ),
]


@pytest.mark.parametrize(
    ("window", "indicator", "expected"),
    [each[1:] for each in AGAINST_TALIB],
    ids=[each[0] for each in AGAINST_TALIB],
)
def test_indicator_agrees_with_talib(
    window: int, indicator: Callable[[Candles], Value], expected: float
) -> None:
    scale = float(C["close"][-1])

    # The averages start elsewhere: what is left of their start is 1e-8 of the price's movement.
    assert math.isclose(
        float(indicator(_candles(window))), expected, rel_tol=1e-6, abs_tol=1e-9 * scale
    )


def test_logarithm_of_what_is_not_positive_is_undefined() -> None:
    assert np.isnan(natural_logarithm(np.array([[0.0, -1.0], [np.inf, np.nan]]))).all()


def test_sine_and_cosine_of_every_minute_are_accurate() -> None:
    times = np.arange(0, 86_400_000, 60_000, dtype=np.float64)

    sine, cosine = sine_and_cosine(times, 86_400_000)

    assert np.abs(sine - np.sin(2 * np.pi * times / 86_400_000)).max() < 1e-15
    assert np.abs(cosine - np.cos(2 * np.pi * times / 86_400_000)).max() < 1e-15


def test_division_by_zero_is_undefined_not_infinite() -> None:
    zero, one = Value(np.zeros(1)), Value(np.ones(1))

    assert math.isnan(float(one / zero))
    assert math.isnan(float(1.0 / (one / zero)))


def test_rsi_of_a_flat_market_is_undefined() -> None:
    flat = Candles(lambda _name: np.full((250, 1), 7.0), Window(250))

    assert math.isnan(float(ta.rsi(flat.close, 14)))


@pytest.mark.parametrize(
    ("name", "lengths", "expected"),
    [
        ("ema", (14,), 129),
        ("ema", (26,), 240),
        ("ema", (200,), 1_843),
        ("wilder", (14,), 249),
        ("rsi", (14,), 250),
        ("returns", (5,), 6),
        ("sma", (20,), 20),
    ],
)
def test_window_says_how_long_the_start_of_an_indicator_matters(
    name: str, lengths: tuple[int, ...], expected: int
) -> None:
    assert ta.window(name, *lengths) == expected


def test_window_of_an_unknown_indicator_is_refused() -> None:
    with pytest.raises(ValueError, match="no indicator 'rsx'"):
        ta.window("rsx", 14)


def test_lag_into_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="after the row's time"):
        ta.lag(_candles(5).close, -1)


def test_index_beyond_the_newest_candle_is_refused() -> None:
    with pytest.raises(IndexError, match="none after it is known"):
        _candles(5).close[5]


def test_series_of_different_lengths_do_not_combine() -> None:
    candles = _candles(5)

    with pytest.raises(ValueError, match="do not combine"):
        candles.close + candles.close[1:]


def test_arithmetic_of_series_is_elementwise() -> None:
    candles = _candles(5)

    spread: Series = (candles.high - candles.low) / candles.close

    assert float(spread[-1]) == (C["high"][-1] - C["low"][-1]) / C["close"][-1]
