"""Averages that remember: each value depends on all before it, with fading weight.

They run over the whole window, from its oldest candle. `fade` says after how many candles the
start weighs less than 1e-8, so that a window of that length gives the value for practical purposes.
"""

import math

import numpy as np

from ohlc_features.define.values import Floats

_START_WEIGHT = 1e-8


def fade(alpha: float) -> int:
    """Return after how many candles the start of an average with this weight has faded."""
    return math.ceil(math.log(_START_WEIGHT) / math.log(1.0 - alpha))


def exponential_alpha(length: int) -> float:
    """Return the weight of the newest candle in an exponential average, ``2 / (length + 1)``."""
    return 2.0 / (length + 1)


def exponential(matrix: Floats, length: int) -> Floats:
    """Return the exponential averages from position ``length - 1`` on, started by a mean."""
    alpha = exponential_alpha(length)
    average = mean(matrix[:length])
    averages = np.empty((len(matrix) - length + 1, matrix.shape[1]))
    averages[0] = average
    for place, row in enumerate(matrix[length:], start=1):
        averages[place] = averages[place - 1] + alpha * (row - averages[place - 1])
    return averages


def wilder(matrix: Floats, length: int) -> Floats:
    """Return the newest of Wilder's averages (weight ``1 / length``), started by a plain mean."""
    average = mean(matrix[:length])
    for row in matrix[length:]:
        average *= length - 1
        average += row
        average /= length
    return average


def total(matrix: Floats) -> Floats:
    """Return the sums of the columns, oldest position first."""
    result = np.array(matrix[0], dtype=np.float64)
    for row in matrix[1:]:
        result += row
    return result


def mean(matrix: Floats) -> Floats:
    """Return the means of the columns."""
    return total(matrix) / len(matrix)
