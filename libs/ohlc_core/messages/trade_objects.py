"""The ``trades`` record as 0.1 wrote it, one object per trade, brought into columns.

So that what lies in the topic at an upgrade is read: by the aggregator, which has not come to its
end, and by the producer, which goes on behind its last trade.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from ohlc_core.messages.trades_record import DECODE_ERRORS, Source, TradesRecord, check_text

_OBJECTS = b'"trades":['
_LETTERS = {"buy": "b", "sell": "s"}


class _Trade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    trade_id: str
    price: msgspec.Raw
    quantity: msgspec.Raw
    side: Literal["buy", "sell"]
    timestamp_us: msgspec.Raw


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["trades"]
    exchange: str
    product_id: str
    source: Source
    trades: list[_Trade]


_decode = msgspec.json.Decoder(_Record).decode
_encode = msgspec.json.Encoder().encode


def columns_of_objects(value: bytes) -> TradesRecord | None:
    """Return a record of 0.1 in columns, its numbers not read yet; None: it is none of 0.1."""
    if _OBJECTS not in value:
        return None
    try:
        check_text(value)
        record = _decode(value)
        trades = record.trades
        return TradesRecord(
            record.exchange,
            record.product_id,
            record.source,
            msgspec.Raw(_encode([each.trade_id for each in trades])),
            _column(each.price for each in trades),
            _column(each.quantity for each in trades),
            "".join([_LETTERS[each.side] for each in trades]),
            _column(each.timestamp_us for each in trades),
        )
    except DECODE_ERRORS:
        return None


def _column(numbers: Iterable[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(map(bytes, numbers)) + b"]")
