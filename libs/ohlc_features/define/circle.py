"""Sine and cosine of a time within a period, with the same bytes on every machine.

The platform's functions differ in the last bit. Here an integer phase is reduced to an eighth of
the circle exactly, and a polynomial of fixed order does the rest; the error is below 1e-15.
"""

from math import factorial

import numpy as np

from ohlc_features.define.values import Floats

_EIGHTH = 0.7853981633974483  # pi / 4
_SINE = tuple((-1) ** n / factorial(2 * n + 1) for n in range(9))
_COSINE = tuple((-1) ** n / factorial(2 * n) for n in range(9))


def sine_and_cosine(times: Floats, period: int) -> tuple[Floats, Floats]:
    """Return the sine and cosine of ``2 pi times / period``.

    Args:
        times: whole numbers below 2^53, such as ms since the Unix epoch.
        period: a positive multiple of 8, in the same unit.
    """
    eighth = period // 8
    known = np.isfinite(times)
    phase = np.where(known, times, 0.0).astype(np.int64) % period
    octant, rest = phase // eighth, phase % eighth
    # In odd octants the angle is measured back from the octant's end.
    rest = np.where(octant % 2 == 1, eighth - rest, rest)
    angle = rest.astype(np.float64) / eighth * _EIGHTH
    square = angle * angle
    sine, cosine = angle * _polynomial(square, _SINE), _polynomial(square, _COSINE)
    swapped = (octant + 1) // 2 % 2 == 1
    sine, cosine = np.where(swapped, cosine, sine), np.where(swapped, sine, cosine)
    sine = np.where(octant >= 4, -sine, sine)
    cosine = np.where((octant >= 2) & (octant < 6), -cosine, cosine)
    return np.where(known, sine, np.nan), np.where(known, cosine, np.nan)


def _polynomial(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    result = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result
