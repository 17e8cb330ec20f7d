from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_simulator.formatting import fixed, float_seconds, json_number, rfc3339_us


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(840984, 1, "84098.4"), (5, 8, "0.00000005"), (0, 2, "0.00"), (7, 0, "7")],
)
def test_fixed_has_exactly_the_decimals(units: int, decimals: int, text: str) -> None:
    assert fixed(units, decimals) == text


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(5100, 8, "5.1e-05"), (10_000, 8, "0.00010000"), (1, 8, "1e-08"), (0, 8, "0.00000000")],
)
def test_small_json_numbers_have_krakens_exponent(units: int, decimals: int, text: str) -> None:
    assert json_number(units, decimals) == text


@given(st.integers(0, 10**17), st.integers(0, 18))
def test_both_notations_keep_the_exact_value(units: int, decimals: int) -> None:
    value = Decimal(units).scaleb(-decimals)
    assert Decimal(fixed(units, decimals)) == value
    assert Decimal(json_number(units, decimals)) == value


def test_websocket_times_cut_and_rest_times_are_floats() -> None:
    # The stamps of one recorded page: the cursor in nanoseconds, and its row's own time.
    assert rfc3339_us(1762820035982277754) == "2025-11-11T00:13:55.982277Z"
    assert float_seconds(1762820035982277754) == "1762820035.9822779"
