"""The quick way to read a ``trades`` record: columns of integers of one scale.

It takes only what is plainly as the contract says. Columns whose elements are equally long are
read as tables of digits. Else the shape of the text proves it: with its digits taken out, and with
its digits made zeros. Whatever is unusual is left to `trades_of`, which takes each number as a
decimal; both give the same candles.

Numbers of unequal length go through doubles. The double nearest to k / 10^d, times 10^d, is off k
by less than k / 2^52: for k below 2^51 that is less than a half, and rounding gives k.
"""

import msgspec
import numpy as np

from ohlc_core.domain.scaled_columns import (
    LARGEST_SCALED,
    MAX_TRADES,
    Integers,
    Scaled,
    ScaledColumns,
)
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.equal_widths import read_equal_widths
from ohlc_core.messages.trades_record import DECODE_ERRORS, TradesRecord, ids_of

#: Below it, starting up the column operations costs more than they save.
_MIN_TRADES = 16
#: Numbers of so many digits are below `LARGEST_SCALED`.
_MAX_DIGITS = 15
#: Powers of ten up to here are exact doubles, and no price or quantity is finer in practice.
_MAX_DECIMALS = 15

_DIGITS = b"0123456789"
_TO_ZEROS = bytes.maketrans(_DIGITS, b"0" * 10)

_decode_floats = msgspec.json.Decoder(list[float]).decode
_decode_times = msgspec.json.Decoder(list[int]).decode


def scaled_columns(record: TradesRecord) -> ScaledColumns | None:
    """Return the record's columns, or None where `trades_of` has to look at each trade."""
    sides = record.sides
    count = len(sides)
    if not (
        _MIN_TRADES <= count <= MAX_TRADES
        and sides.count("b") + sides.count("s") + sides.count("-") == count
    ):
        return None
    prices = _numbers(bytes(record.prices), count)
    if prices is None:
        return None
    quantities = _numbers(bytes(record.quantities), count)
    if quantities is None:
        return None
    ids = _ids(bytes(record.trade_ids), count)
    times = _times(bytes(record.timestamps_us), count)
    if ids is None or times is None:
        return None
    return ScaledColumns(ids, prices, quantities, sides, times)


def _numbers(text: bytes, count: int) -> Scaled | None:
    table = read_equal_widths(text, count)
    if table is None:
        return _unequal_numbers(text, count)
    whole, point, fraction = table.first.partition(b".")
    if point and not (whole.isdigit() and fraction.isdigit()):
        return None
    digits = whole + fraction
    if len(digits) > _MAX_DIGITS or len(fraction) > _MAX_DECIMALS or not digits.isdigit():
        return None
    return Scaled(table.values, len(fraction))


def _unequal_numbers(text: bytes, count: int) -> Scaled | None:
    decimals = _decimals(text)
    if not 0 <= decimals <= _MAX_DECIMALS or text.translate(None, _DIGITS) != _shape(
        b"." if decimals else b"", count
    ):
        return None
    if decimals:
        # Each number has one point; so many digits stand behind that of each and of the last.
        fraction = b"." + b"0" * decimals
        zeros = text.translate(_TO_ZEROS)
        if zeros.count(fraction + b",") != count - 1 or not zeros.endswith(fraction + b"]"):
            return None
    try:
        doubles = np.fromiter(_decode_floats(text), np.float64, count)
    except DECODE_ERRORS:
        return None
    scaled = np.rint(doubles * 10.0**decimals)
    if scaled.max() >= LARGEST_SCALED:
        return None
    return Scaled(scaled.astype(np.int64), decimals)


def _decimals(text: bytes) -> int:
    """Return how many digits stand behind the last number's point."""
    point = text.rfind(b".")
    return 0 if point < 0 else len(text) - 2 - point


def _shape(mark: bytes, count: int) -> bytes:
    """Return a column of numbers without their digits."""
    return b"[" + (mark + b",") * (count - 1) + mark + b"]"


def _times(text: bytes, count: int) -> Integers | None:
    table = read_equal_widths(text, count)
    if table is not None and table.first.isdigit():
        return table.values
    try:
        times = np.array(_decode_times(text), np.int64)
    except DECODE_ERRORS:
        return None
    return times if len(times) == count else None


def _ids(text: bytes, count: int) -> range | list[str] | None:
    """Return the ids: a range where they are dense numbers, written with equally many digits."""
    table = read_equal_widths(text, count, number_at=1)
    if table is not None and _is_quoted_number(table.first):
        first, last = int(table.values[0]), int(table.values[-1])
        if last - first == count - 1 and bool((table.values[1:] > table.values[:-1]).all()):
            return range(first, last + 1)
    try:
        ids = ids_of(text)
    except MalformedMessageError:
        return None
    return ids if len(ids) == count and all(ids) else None


def _is_quoted_number(text: bytes) -> bool:
    return text[:1] == text[-1:] == b'"' and text[1:-1].isdigit()
