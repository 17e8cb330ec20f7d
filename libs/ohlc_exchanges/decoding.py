"""The door for what exchanges send: frames and pages become checked values, or a declared error.

Bounds, the same for every exchange:

- numbers: JSON numbers, or plain ASCII decimal text of up to 31 digits before the point and 30
  behind it; no sign, space, underscore, exponent or other script's digits in text;
- ids: whole numbers of up to 19 digits;
- times: from 2009 to a day ahead of this machine's clock;
- nesting: as deep as the JSON decoder goes; bytes: `MAX_FRAME_BYTES`, and the fetcher's bound on
  a body.

Behind the door nothing is checked again.
"""

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from ohlc_core.domain.trade import Side, Trade, reason_to_reject
from ohlc_exchanges.base import (
    DECODE_ERRORS,
    Malformed,
    MalformedResponseError,
    payload_text,
    reason_of,
)

T = TypeVar("T")
Row = TypeVar("Row")

_MAX_ID = 10**19
_PLAIN_NUMBER = re.compile(r"[0-9]{1,31}(?:\.[0-9]{1,30})?", re.ASCII).fullmatch
_PLAIN_ID = re.compile(r"[0-9]{1,19}", re.ASCII).fullmatch
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,12})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
).fullmatch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_US = (datetime(2009, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_DAY_US = 86_400_000_000
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def number(value: Any) -> Decimal:  # noqa: ANN401 - any JSON
    """Return a price or quantity, exactly as sent.

    Args:
        value: plain decimal text, or a JSON number that was decoded exactly (as a Decimal).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        if _PLAIN_NUMBER(value) is None:
            raise ValueError(f"{value[:50]!r} is no plain decimal number")
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError(f"{str(value)[:50]} is no number")


def id_of(value: str | int) -> int:
    """Return an id.

    Raises:
        ValueError: it is no whole number of up to 19 digits.
    """
    if isinstance(value, str):
        if _PLAIN_ID(value) is None:
            raise ValueError(f"id {value[:50]!r} is no whole number of up to 19 digits")
        return int(value)
    if isinstance(value, bool) or not 0 <= value < _MAX_ID:
        raise ValueError("an id is no whole number of up to 19 digits")
    return value


def time_us(value: str | int, unit_us: int = 1) -> int:
    """Return the microseconds since the Unix epoch of a whole number of units of time.

    Raises:
        ValueError: it is no whole number, or no time from 2009 to a day ahead.
    """
    return _in_bounds(id_of(value) * unit_us)


def decimal_seconds_us(value: Any) -> int:  # noqa: ANN401 - any JSON
    """Return the microseconds of seconds with decimals; finer digits are cut off.

    Raises:
        ValueError: it is no number, or no time from 2009 to a day ahead.
    """
    seconds = number(value)
    if not 0 < seconds < _MAX_ID:
        raise ValueError("a time is out of range")
    return _in_bounds(int(seconds * 1_000_000))


def rfc3339_us(text: str) -> int:
    """Return the microseconds since the Unix epoch of ``2023-09-25T07:49:37.708706Z``.

    Finer digits are cut off, so that a trade never moves into the next window.

    Raises:
        ValueError: ``text`` is not such a time, or none from 2009 to a day ahead.
    """
    if _RFC3339(text) is None:
        raise ValueError(f"{text[:50]!r} is no time of RFC 3339")
    return _in_bounds((datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND)


def _in_bounds(us: int) -> int:
    if not _EARLIEST_US <= us <= time.time_ns() // 1_000 + _DAY_US:
        raise ValueError("a time is not from 2009 to a day ahead; perhaps its unit is another")
    return us


def trade_of(trade_id: str | int, price: Any, quantity: Any, side: Side, us: int) -> Trade:  # noqa: ANN401 - any JSON
    """Return the trade.

    Raises:
        ValueError: an id, number or time is not within the bounds, or no candle could hold the
            trade (see `reason_to_reject`).
    """
    trade = Trade(str(id_of(trade_id)), number(price), number(quantity), side, us)
    reason = reason_to_reject(trade)
    if reason is not None:
        raise ValueError(reason)
    return trade


def decode_page(decode: Callable[[bytes], T], body: bytes, what: str) -> T:
    """Return what ``decode`` makes of a body.

    Raises:
        MalformedResponseError: whatever of `DECODE_ERRORS` it raises.
    """
    try:
        return decode(body)
    except DECODE_ERRORS as error:
        raise MalformedResponseError(f"{what}: {reason_of(error)}") from None


def read_rows(
    raw: bytes | msgspec.Raw,
    decoder: msgspec.json.Decoder[list[Row]],
    decode_one: msgspec.json.Decoder[Row],
) -> tuple[list[Row], list[Malformed]]:
    """Decode a JSON array of rows; a broken row costs only itself.

    Raises:
        msgspec.MsgspecError, ValueError, RecursionError: ``raw`` is no JSON array at all.
    """
    try:
        return decoder.decode(raw), []
    except (msgspec.ValidationError, UnicodeDecodeError):
        pass
    rows: list[Row] = []
    broken: list[Malformed] = []
    for piece in _RAW_ROWS.decode(raw):
        try:
            rows.append(decode_one.decode(piece))
        except (msgspec.MsgspecError, ValueError) as error:
            broken.append(Malformed(reason_of(error), payload_text(bytes(piece))))
    return rows, broken


def trades_of(
    rows: Sequence[Row], to_trade: Callable[[Row], Trade], describe: Callable[[Row], str] = str
) -> tuple[list[Trade], list[Malformed]]:
    """Turn rows into trades; rows no candle could hold are returned as rejected."""
    trades: list[Trade] = []
    broken: list[Malformed] = []
    for row in rows:
        try:
            trades.append(to_trade(row))
        except (ValueError, ArithmeticError) as error:
            broken.append(Malformed(reason_of(error), payload_text(describe(row))))
    return trades, broken


def by_sequential_id(trade: Trade) -> int:
    """Return the sort key of an exchange whose ids count up."""
    return int(trade.trade_id)
