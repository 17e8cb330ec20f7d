"""Reading what all exchanges share: times, ids, and rows of which some may be broken."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import msgspec

from ohlc_core.domain.trade import Side, Trade, reason_to_reject
from ohlc_exchanges.base import Malformed, payload_text

Row = TypeVar("Row")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def rfc3339_us(text: str) -> int:
    """Return the microseconds since the Unix epoch of ``2023-09-25T07:49:37.708706Z``.

    Finer digits are cut off, so that a trade never moves into the next window.

    Raises:
        ValueError: ``text`` is not such a time, or has no offset from UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset from UTC")
    return (moment - _EPOCH) // _MICROSECOND


def trade_of(trade_id: str, price: Decimal, quantity: Decimal, side: Side, time_us: int) -> Trade:
    """Return the trade.

    Raises:
        ValueError: no candle could hold it (see `reason_to_reject`).
    """
    trade = Trade(trade_id, price, quantity, side, time_us)
    reason = reason_to_reject(trade)
    if reason is not None:
        raise ValueError(reason)
    return trade


def read_rows(
    raw: bytes | msgspec.Raw,
    decoder: msgspec.json.Decoder[list[Row]],
    decode_one: msgspec.json.Decoder[Row],
) -> tuple[list[Row], list[Malformed]]:
    """Decode a JSON array of rows; a broken row costs only itself.

    Raises:
        msgspec.MsgspecError: ``raw`` is no JSON array at all.
    """
    try:
        return decoder.decode(raw), []
    except msgspec.ValidationError:
        pass
    rows: list[Row] = []
    broken: list[Malformed] = []
    for piece in _RAW_ROWS.decode(raw):
        try:
            rows.append(decode_one.decode(piece))
        except msgspec.MsgspecError as error:
            broken.append(Malformed(str(error), payload_text(bytes(piece))))
    return rows, broken


def trades_of(
    rows: Sequence[Row], to_trade: Callable[[Row], Trade], describe: Callable[[Row], str]
) -> tuple[list[Trade], list[Malformed]]:
    """Turn rows into trades; rows no candle could hold are returned as malformed."""
    trades: list[Trade] = []
    broken: list[Malformed] = []
    for row in rows:
        try:
            trades.append(to_trade(row))
        except (ValueError, ArithmeticError) as error:
            broken.append(Malformed(str(error), describe(row)))
    return trades, broken


def by_sequential_id(trade: Trade) -> int:
    """Return the sort key of an exchange whose ids count up.

    Raises:
        ValueError: the id is no decimal number.
    """
    return int(trade.trade_id)
