"""Logarithms are the nearest doubles, whatever path computes them."""

import math
from decimal import Context, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlc_features.define import logarithm
from ohlc_features.define.logarithm import natural_logarithm

_PRECISE = Context(prec=60)
_POSITIVE = st.floats(min_value=5e-324, allow_infinity=False) | st.floats(0.98, 1.02)


def _nearest(number: float) -> float:
    return float(Decimal(number).ln(_PRECISE))


@given(st.lists(_POSITIVE, min_size=1, max_size=200))
def test_logarithm_is_the_nearest_double(numbers: list[float]) -> None:
    assert natural_logarithm(np.array(numbers)).tolist() == [_nearest(each) for each in numbers]


def test_logarithm_is_the_nearest_double_around_every_seam() -> None:
    seams = [1.0, math.sqrt(0.5), math.sqrt(2.0), *((n + 0.5) / 256 for n in range(128, 384))]
    numbers = np.array([np.nextafter(seam, side) for seam in seams for side in (0, seam, 9)])
    assert natural_logarithm(numbers).tolist() == [_nearest(each) for each in numbers.tolist()]


@given(st.lists(_POSITIVE, min_size=1, max_size=50))
def test_two_doubles_are_nearer_than_the_error_they_are_given(numbers: list[float]) -> None:
    found = logarithm._logarithm(np.array(numbers))
    for number, high, low in zip(numbers, found.high.tolist(), found.low.tolist(), strict=True):
        exact = Decimal(number).ln(_PRECISE)
        error = _PRECISE.subtract(_PRECISE.add(Decimal(high), Decimal(low)), exact)
        assert abs(error) <= abs(exact) * Decimal(logarithm._ERROR) / 8


def test_logarithm_that_could_round_either_way_is_decided_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logarithm, "_ERROR", 1.0)  # nothing is sure
    numbers = np.array([[0.5, 3.0], [1e-300, 7.25]])
    assert natural_logarithm(numbers).tolist() == [
        [_nearest(0.5), _nearest(3.0)],
        [_nearest(1e-300), _nearest(7.25)],
    ]
