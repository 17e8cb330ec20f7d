"""Exact decimal arithmetic and the one canonical text of a number.

Prices, quantities and their sums never touch binary floats. Sums and products run in
``EXACT``, which raises instead of rounding; the only rounding in the product is ``vwap``.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation

ZERO = Decimal(0)

#: Largest power of ten, up or down, that a price or quantity may have. Real markets stay within
#: 1e-18 .. 1e12; the bound keeps a hostile ``1e999999`` from becoming a megabyte of zeros.
MAX_EXPONENT = 30
LARGEST = Decimal(10) ** MAX_EXPONENT
FAR_OUT_OF_RANGE = 1_000_000

# Room for price x quantity (2 x 61 digits) summed over 10^18 trades without rounding.
EXACT = Context(prec=160, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])

_VWAP = Context(prec=12, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])


def canonical(value: Decimal) -> str:
    """Return the canonical text of ``value``: plain notation, no exponent, no trailing zeros.

    ``Decimal("84098.40000")`` and ``Decimal("8.40984E+4")`` both give ``"84098.4"``; every
    zero gives ``"0"``.
    """
    text = format(value, "f")
    if text[-1:] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in ("-0", "") else "0"


def vwap(price_quantity_sum: Decimal, volume: Decimal) -> Decimal:
    """Return the volume-weighted average price, rounded half-even to 12 significant digits.

    Raises:
        decimal.DivisionByZero: ``volume`` is zero.
    """
    return _VWAP.divide(price_quantity_sum, volume)


def finest_exponent(value: Decimal) -> int:
    """Return the power of ten of the last digit; far out of range when there is none (NaN)."""
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else -FAR_OUT_OF_RANGE


def in_range(value: Decimal) -> bool:
    """Return whether ``value`` is finite and within ``MAX_EXPONENT`` in size and precision."""
    # copy_abs: abs() would round, and raises where the exponent is out of any range.
    return (
        value.is_finite()
        and value.copy_abs() <= LARGEST
        and finest_exponent(value) >= -MAX_EXPONENT
    )
