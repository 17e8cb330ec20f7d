"""Natural logarithms, correctly rounded: the same bytes on every machine.

``math.log`` and NumPy's belong to the platform and differ in the last bit. Here additions and
multiplications of doubles alone give about 91 bits, as the sum of two doubles (Dekker 1971); where
those could still round either way, about once in 10^9, `decimal` decides.
"""

from decimal import Context, Decimal
from typing import NamedTuple

import numpy as np

from ohlc_features.define.values import Floats

# 17 digits identify a double; of twice as many no double is known that would round differently.
_CONTEXT = Context(prec=40)
#: The result is off by less than this part of itself; measured errors are below 2^-91.
_ERROR = 2.0**-85
#: Veltkamp's constant: cuts a double into halves whose products are exact.
_SPLIT = 2.0**27 + 1
_TABLE_SIZE = 256
# |r| <= 2^-7: the terms behind these are below 2^-110.
_TERMS = 15
_EXACT_TERMS = 8


class _Pair(NamedTuple):
    """A number as the sum of two doubles, the second below the last bit of the first."""

    high: Floats
    low: Floats


def natural_logarithm(numbers: Floats) -> Floats:
    """Return ln of each number; NaN where it is not positive or not finite.

    Each distinct number is computed once: the windows of neighbouring rows overlap.
    """
    distinct, places = np.unique(numbers, return_inverse=True)
    return _nearest(distinct)[places].reshape(numbers.shape)


def _nearest(numbers: Floats) -> Floats:
    good = (numbers > 0.0) & (numbers < np.inf)
    found = _logarithm(np.where(good, numbers, 1.0))
    error = np.abs(found.high) * _ERROR
    rounded = found.high + (found.low + error)
    unsure = rounded != found.high + (found.low - error)
    for place in np.flatnonzero(unsure & good):
        rounded[place] = _exact(float(numbers[place]))
    return np.where(good, rounded, np.nan)


def _exact(number: float) -> float:
    return float(Decimal(number).ln(_CONTEXT))


def _logarithm(numbers: Floats) -> _Pair:
    """Return ln(m * 2^e) = e * ln 2 - ln c + ln(1 + r); c is near 1 / m, and r = m * c - 1."""
    m, e = np.frexp(numbers)
    small = m < np.sqrt(0.5)
    m = np.where(small, m * 2.0, m)
    exponent = e - small.astype(np.float64)
    place = np.rint(m * _TABLE_SIZE).astype(np.intp)
    product = _product(m, _NEAR_INVERSE[place])
    ln_c = _Pair(_LN_INVERSE.high[place], _LN_INVERSE.low[place])
    ln_m = _add(ln_c, _log1p(_sum(product.high - 1.0, product.low)))
    ln_2 = _add(
        _sum(exponent * _LN_2_PARTS[0], exponent * _LN_2_PARTS[1]),
        _sum(exponent * _LN_2_PARTS[2], np.zeros_like(m)),
    )
    return _add(ln_2, ln_m)


def _log1p(r: _Pair) -> _Pair:
    """Return r - r^2/2 + r^3/3 - ...; the small terms as plain doubles."""
    tail = np.zeros_like(r.high)
    for n in range(_TERMS, _EXACT_TERMS, -1):
        tail = (tail + _RECIPROCALS[n].high) * r.high
    total = _Pair(tail, np.zeros_like(tail))
    for n in range(_EXACT_TERMS, 0, -1):
        total = _times(_add(total, _RECIPROCALS[n]), r)
    return total


# --- sums and products without error --------------------------------------------------------------


def _sum(a: Floats, b: Floats) -> _Pair:
    total = a + b
    part = total - a
    return _Pair(total, (a - (total - part)) + (b - part))


def _product(a: Floats, b: Floats) -> _Pair:
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return _Pair(product, rest)


def _halves(a: Floats) -> tuple[Floats, Floats]:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def _add(a: _Pair, b: _Pair) -> _Pair:
    high, low = _sum(a.high, b.high), _sum(a.low, b.low)
    first = _sum(high.high, high.low + low.high)
    return _sum(first.high, first.low + low.low)


def _times(a: _Pair, b: _Pair) -> _Pair:
    product = _product(a.high, b.high)
    return _sum(product.high, product.low + (a.high * b.low + a.low * b.high))


# --- constants ------------------------------------------------------------------------------------


def _parts(numbers: list[Decimal], count: int, bits: int | None = None) -> list[Floats]:
    """Return columns whose sums are the numbers; with ``bits``, each of so many bits at most."""
    columns = []
    for _ in range(count):
        column = np.array([float(number) for number in numbers])
        if bits is not None:
            scale = 2.0 ** (bits - np.frexp(column)[1])
            column = np.trunc(column * scale) / scale
        columns.append(column)
        numbers = [
            _CONTEXT.subtract(number, Decimal(part))
            for number, part in zip(numbers, column.tolist(), strict=True)
        ]
    return columns


def _pair(*numbers: Decimal) -> _Pair:
    return _Pair(*_parts(list(numbers), 2))


def _near_inverse() -> Floats:
    """Return, for i / 256 from 0 to 2, a number of 9 bits near its inverse; 1 for 1."""
    places = np.arange(_TABLE_SIZE * 2, dtype=np.float64)
    places[0] = 1.0
    return np.rint(_TABLE_SIZE**2 / places) / _TABLE_SIZE


_NEAR_INVERSE = _near_inverse()
_LN_INVERSE = _pair(*(-Decimal(c).ln(_CONTEXT) for c in _NEAR_INVERSE.tolist()))
# Parts of 40 bits: their products with an exponent are exact.
_LN_2_PARTS = _parts([Decimal(2).ln(_CONTEXT)], 3, bits=40)
_RECIPROCALS = [
    _pair(_CONTEXT.divide(Decimal(1 if n % 2 else -1), Decimal(max(n, 1))))
    for n in range(_TERMS + 1)
]

#: ln 2, rounded to a double.
LN_2 = _exact(2.0)
