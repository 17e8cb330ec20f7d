"""The quick way to read a ``trades`` record: columns of integers of one scale.

It takes only what is plainly as the contract says, and proves that by the shape of the text: with
its digits taken out, and with its digits made zeros. Whatever is unusual is left to `trades_of`,
which takes each number as a decimal; both give the same candles.

Numbers go through doubles. The double nearest to k / 10^d, times 10^d, is off k by less than
k / 2^52: for k below 2^51 that is less than a half, and rounding gives k.
"""

import msgspec
import numpy as np

from ohlc_core.domain.scaled_columns import LARGEST_SCALED, MAX_TRADES, Scaled, ScaledColumns
from ohlc_core.messages.trades_record import TradesRecord

#: Below it, starting up the column operations costs more than they save.
_MIN_TRADES = 16
#: Powers of ten up to here are exact doubles, and no price or quantity is finer in practice.
_MAX_DECIMALS = 15

_DIGITS = b"0123456789"
_TO_ZEROS = bytes.maketrans(_DIGITS, b"0" * 10)

_decode_floats = msgspec.json.Decoder(list[float]).decode
_decode_ids = msgspec.json.Decoder(list[str]).decode


def scaled_columns(record: TradesRecord) -> ScaledColumns | None:
    """Return the record's columns, or None where `trades_of` has to look at each trade."""
    sides, times = record.sides, record.timestamps_us
    count = len(sides)
    if not (
        _MIN_TRADES <= count <= MAX_TRADES
        and count == len(times)
        and sides.count("b") + sides.count("s") + sides.count("-") == count
    ):
        return None
    prices = _numbers(bytes(record.prices), count)
    if prices is None or prices.values.min() <= 0:
        return None
    quantities = _numbers(bytes(record.quantities), count)
    if quantities is None:
        return None
    ids = _ids(bytes(record.trade_ids), count)
    return None if ids is None else ScaledColumns(ids, prices, quantities, sides, times)


def _numbers(text: bytes, count: int) -> Scaled | None:
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
    except (msgspec.MsgspecError, ValueError):
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


def _ids(text: bytes, count: int) -> range | list[str] | None:
    """Return the ids: a range where they are dense numbers, written with equally many digits."""
    step = (len(text) - 1) // count
    width = step - 3
    if (
        width > 0
        and len(text) == count * step + 1
        and text[2] != ord("0")
        and text.translate(None, _DIGITS) == b'["' + b'","' * (count - 1) + b'"]'
        and text[2 + width :: step] == b'"' * count
    ):
        first, last = int(text[2 : 2 + width]), int(text[-2 - width : -2])
        # Of texts of one width the order is that of their numbers: ascending and as many as
        # there are numbers from the first to the last, they are those.
        column = np.frombuffer(text + b'"', f"S{step}", count, 2)
        if last - first == count - 1 and bool((column[1:] > column[:-1]).all()):
            return range(first, last + 1)
    try:
        ids = _decode_ids(text)
    except msgspec.MsgspecError:
        return None
    return ids if len(ids) == count and all(ids) else None
