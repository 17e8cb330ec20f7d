"""JSON arrays whose elements are equally long: a table of characters, read column by column.

A table of digits becomes integers by one product of matrices, far quicker than number by number.
Doubles do it faster than integers do, and as exactly: all terms are integers and none is negative,
so a result below 2^53 had no partial sum that doubles could not hold.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_ZERO = ord("0")
_DIGITS = b"0123456789"
_TO_ZEROS = bytes.maketrans(_DIGITS, b"0" * 10)
#: Integers of so many digits fit into 64 bits; their powers of ten are exact doubles.
_MAX_DIGITS = 18
_EXACT = 2.0**53


class EqualWidths(NamedTuple):
    """The elements of an array that are equally long and have the same marks at the same places.

    Attributes:
        values: what each element's digits amount to.
        first: the first element, its digits and its marks: a point, or quotes.
    """

    values: Integers
    first: bytes


def read_equal_widths(text: bytes, count: int, *, number_at: int = 0) -> EqualWidths | None:
    """Read a JSON array, without white space, of ``count`` elements.

    Args:
        text: the array.
        count: of its elements, at least one.
        number_at: the place in an element at which its number begins.

    Returns:
        None: its elements are not equally long, hold more than digits and the first one's marks, or
        a number begins with a zero and a second digit.
    """
    step, rest = divmod(len(text) - 1, count)
    first = text[1:step]
    marks = first.translate(None, _DIGITS)
    if (
        rest
        or not 0 < len(first) - len(marks) <= _MAX_DIGITS
        or text[:1] != b"["
        or text[step::step] != b"," * (count - 1) + b"]"
    ):
        return None
    for mark in set(marks):
        for place, byte in enumerate(first, 1):
            if byte == mark and text[place::step].count(mark) != count:
                return None
    if first[number_at + 1 : number_at + 2].isdigit() and b"0" in text[1 + number_at :: step]:
        return None
    table = np.frombuffer(text, np.uint8, count * step, 1).reshape(count, step)
    digits = table - _ZERO  # what is no digit wraps to more than 9
    if np.count_nonzero(digits > 9) != count * (len(marks) + 1):
        return None
    weights = _weights(first.translate(_TO_ZEROS))
    doubles = digits.astype(np.float64) @ weights
    if doubles.max() < _EXACT:
        return EqualWidths(doubles.astype(np.int64), first)
    return EqualWidths(digits.astype(np.int64) @ weights.astype(np.int64), first)


@cache
def _weights(shape: bytes) -> npt.NDArray[np.float64]:
    """Return the power of ten of each place of an element and its comma: 0 where no digit is."""
    weights = [0] * (len(shape) + 1)
    power = 1
    for place in reversed(range(len(shape))):
        if shape[place] == _ZERO:
            weights[place] = power
            power *= 10
    return np.array(weights, np.float64)
