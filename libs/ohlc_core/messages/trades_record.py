"""The ``trades`` record: trades of one product in columns, as JSON text.

Numbers of one column are exact, in plain notation, and have the same number of decimals: the
most that any of them needs. So the same trades give the same bytes, however a source wrote them.
"""

import string
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

import msgspec

from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.trade import TIME_LIMIT, Side, Trade
from ohlc_core.errors import MalformedMessageError

Source = Literal["websocket", "rest", "file", "sql"]

SIDE_LETTERS: dict[Side, str] = {"buy": "b", "sell": "s", "unknown": "-"}
_SIDES: dict[str, Side] = {letter: side for side, letter in SIDE_LETTERS.items()}

_encode = msgspec.json.Encoder().encode
_decode_ids = msgspec.json.Decoder(list[str]).decode
_ID_CHARACTERS = (string.ascii_letters + string.digits + ".:-").encode()
_NUMBER_COLUMN = b"0123456789.,-[ \t\r\n]"
_MAX_NUMBER_CHARACTERS = 200

#: What decoding raises on bad input; everything else is a defect of ours.
DECODE_ERRORS = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
_MAX_REASON = 300
_decode_numbers = msgspec.json.Decoder(list[Decimal]).decode
_decode_times = msgspec.json.Decoder(list[int]).decode


class TradesRecord(msgspec.Struct, frozen=True, tag_field="type", tag="trades"):
    """The record as it is on the wire; its columns are JSON that is not read yet."""

    exchange: str
    product_id: str
    source: Source
    trade_ids: msgspec.Raw
    prices: msgspec.Raw
    quantities: msgspec.Raw
    sides: str
    timestamps_us: msgspec.Raw


class _Head(msgspec.Struct, frozen=True):
    """The record without its columns."""

    type: Literal["trades"]  # no tag, which msgspec lets be absent
    exchange: str
    product_id: str
    source: Source


#: What stands between the columns; the first character ends the column before.
_NAMES = (
    b',"trade_ids":[',
    b'],"prices":[',
    b'],"quantities":[',
    b'],"sides":"',
    b'","timestamps_us":[',
    b"]}",
)
_decode_head = msgspec.json.Decoder(_Head).decode


def check_text(value: bytes) -> None:
    """Refuse what is no UTF-8: a JSON reader looks at no text that it passes over.

    Raises:
        UnicodeDecodeError: it is not; one of `DECODE_ERRORS`.
    """
    if not value.isascii():
        value.decode()


def split_trades(value: bytes) -> TradesRecord | None:
    """Return a record that is laid out as `encode_trades` does, without reading its columns.

    The columns are cut out where their names are. That these are no part of a text shows in what
    is in front of them being a JSON object by itself, once it is closed.

    Returns:
        None: it is laid out in another way.
    """
    begin = value.find(_NAMES[0])
    if begin < 0:
        return None
    columns = []
    for name, following in pairwise(_NAMES):
        bracket = begin + len(name)
        begin = value.find(following[:1], bracket)
        if begin < 0 or not value.startswith(following, begin):
            return None
        columns.append(value[bracket - 1 : begin + 1])
    ids, prices, quantities, sides, times = columns
    letters = sides[1:-1]
    if begin + len(_NAMES[-1]) != len(value) or letters.translate(None, b"bs-"):
        return None
    try:
        head = _decode_head(value[: value.find(_NAMES[0])] + b"}")
    except DECODE_ERRORS:
        return None
    raw_ids, raw_prices, raw_quantities, raw_times = map(
        msgspec.Raw, (ids, prices, quantities, times)
    )
    return TradesRecord(
        head.exchange,
        head.product_id,
        head.source,
        raw_ids,
        raw_prices,
        raw_quantities,
        letters.decode(),
        raw_times,
    )


def encode_trades(exchange: str, product_id: str, source: str, trades: Sequence[Trade]) -> bytes:
    """Return the bytes of one ``trades`` record."""
    ids = _encode([trade.trade_id for trade in trades]).decode()
    prices = number_column([trade.price for trade in trades])
    quantities = number_column([trade.quantity for trade in trades])
    sides = "".join([SIDE_LETTERS[trade.side] for trade in trades])
    times = ",".join([str(trade.timestamp_us) for trade in trades])
    head = (
        f'{{"type":"trades","exchange":{_encode(exchange).decode()}'
        f',"product_id":{_encode(product_id).decode()},"source":"{source}"'
    )
    return (
        f'{head},"trade_ids":{ids},"prices":[{prices}],"quantities":[{quantities}]'
        f',"sides":"{sides}","timestamps_us":[{times}]}}'
    ).encode()


def number_column(values: Sequence[Decimal]) -> str:
    """Return the numbers as comma-separated text, all with the decimals the finest one needs."""
    texts = list(map(canonical, values))
    decimals = [len(text) - text.find(".") - 1 if "." in text else 0 for text in texts]
    finest = max(decimals, default=0)
    if min(decimals, default=0) == finest:
        return ",".join(texts)
    return ",".join(
        [
            text + ("." if not own else "") + "0" * (finest - own)
            for text, own in zip(texts, decimals, strict=True)
        ]
    )


def trades_of(record: TradesRecord) -> list[Trade]:
    """Return the record's trades; numbers become exact decimals.

    Raises:
        MalformedMessageError: the columns are not of one length, or hold what they may not.
    """
    ids = ids_of(bytes(record.trade_ids))
    prices = _numbers("prices", record.prices)
    quantities = _numbers("quantities", record.quantities)
    times = _column("timestamps_us", _decode_times, record.timestamps_us)
    sides = record.sides
    lengths = [len(column) for column in (ids, prices, quantities, sides, times)]
    if len(set(lengths)) != 1:
        raise MalformedMessageError(
            "columns have different lengths: trade_ids {}, prices {}, quantities {}, sides {}, "
            "timestamps_us {}".format(*lengths)
        )
    if not sides:
        raise MalformedMessageError("the record holds no trade")
    if not -TIME_LIMIT < min(times) <= max(times) < 2 * TIME_LIMIT:
        raise MalformedMessageError("timestamps_us holds what is no time at all")
    try:
        taken = [_SIDES[letter] for letter in sides]
    except KeyError as error:
        raise MalformedMessageError(f"sides holds {error.args[0]!r}; expected b, s or -") from None
    return list(map(Trade, ids, prices, quantities, taken, times))


def ids_of(text: bytes) -> list[str]:
    """Return a column of ids.

    Raises:
        MalformedMessageError: it is no list of texts, or one of them holds more than ASCII letters,
            digits, dots, colons and hyphens.
    """
    ids: list[str] = _column("trade_ids", _decode_ids, text)
    other = "".join(ids).encode(errors="replace").translate(None, _ID_CHARACTERS)
    if other:
        for each in ids:
            check_id("trade_ids", each)
    return ids


def check_id(name: str, trade_id: str) -> None:
    """Check what an id is written in.

    Raises:
        MalformedMessageError: it is no id that this product takes.
    """
    if trade_id.encode(errors="replace").translate(None, _ID_CHARACTERS):
        raise MalformedMessageError(
            f"{name} holds {trade_id[:40]!r}; expected ASCII letters, digits, dots, colons, hyphens"
        )


def reason_of(error: BaseException) -> str:
    """Return an error's text in one line, bounded: it may quote what was read."""
    return " ".join(str(error)[: 2 * _MAX_REASON].split())[:_MAX_REASON] or type(error).__name__


def _numbers(name: str, raw: msgspec.Raw) -> list[Decimal]:
    text = bytes(raw)
    if b'"' in text:
        raise MalformedMessageError(f"{name} holds a string; expected JSON numbers")
    if text.translate(None, _NUMBER_COLUMN):
        raise MalformedMessageError(f"{name} holds no plain numbers; expected digits and a point")
    values: list[Decimal] = _column(name, _decode_numbers, text)
    if len(text) > _MAX_NUMBER_CHARACTERS * (len(values) + 1):
        raise MalformedMessageError(f"{name} holds a number of more digits than any has")
    return values


def _column(name: str, decode: Any, text: bytes) -> Any:  # noqa: ANN401 - any column
    try:
        return decode(text)
    except DECODE_ERRORS as error:
        raise MalformedMessageError(f"{name}: {reason_of(error)}") from None
