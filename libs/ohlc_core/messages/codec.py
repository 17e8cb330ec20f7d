"""Bytes of the messages: canonical UTF-8 JSON, the same bytes for the same values.

Written by hand where numbers occur, because no JSON library writes a small decimal
(``0.00000001``) in plain notation.
"""

import re
import time
from functools import lru_cache
from typing import TypeVar

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.ordering import is_number
from ohlc_core.domain.trade import EARLIEST_US
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.candle_record import CandleRecord, candle_of
from ohlc_core.messages.dead_letters import encode_dead_letter
from ohlc_core.messages.records import (
    DeadLetter,
    GapMessage,
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
)
from ohlc_core.messages.trade_objects import columns_of_objects
from ohlc_core.messages.trades_record import (
    DECODE_ERRORS,
    TradesRecord,
    check_id,
    check_text,
    encode_trades,
    reason_of,
    split_trades,
    trades_of,
)

T = TypeVar("T")

__all__ = (
    "MalformedMessageError",
    "decode_candle",
    "decode_dead_letter",
    "decode_record",
    "decode_trades_topic",
    "encode",
    "encode_candle",
    "encode_trades",
)

#: A record of the ``trades`` topic, the columns of trades not read yet.
TopicRecord = TradesRecord | StartMessage | WatermarkMessage | GapMessage
_trades_topic: msgspec.json.Decoder[TopicRecord] = msgspec.json.Decoder(TopicRecord)
# Of two kinds, so that a record has to say which of them it is.
_ohlc_topics: msgspec.json.Decoder[CandleRecord | DeadLetter] = msgspec.json.Decoder(
    CandleRecord | DeadLetter
)
#: What a record's key is made of: no colon in an exchange's name, no control characters.
_EXCHANGE = re.compile(r"[A-Za-z0-9._-]{1,50}", re.ASCII)
_PRODUCT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")
_DAY_US = 86_400_000_000
_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=4096)  # names of exchanges and products come again and again
def _text(value: str) -> str:
    return _encoder.encode(value).decode()


def _id(trade_id: str | None) -> str:
    if trade_id is None:
        return "null"
    return f'"{trade_id}"' if is_number(trade_id) else _encoder.encode(trade_id).decode()


def encode(message: TradesTopicMessage | DeadLetter) -> bytes:
    """Return the bytes of a record of the ``trades`` topic or of a dead-letter topic.

    The payload of a dead letter is cut where it would not fit into a record.
    """
    if isinstance(message, TradesMessage):
        return encode_trades(message.exchange, message.product_id, message.source, message.trades)
    if isinstance(message, DeadLetter):
        return encode_dead_letter(message)
    return _encoder.encode(message)


def decode_record(value: bytes) -> TopicRecord:
    """Read a record of the ``trades`` topic, but the columns of its trades.

    Raises:
        MalformedMessageError: the value is not JSON or not one of the four records.
    """
    record = split_trades(value) or columns_of_objects(value) or _decoded(_trades_topic, value)
    _check_name("exchange", _EXCHANGE, record.exchange)
    _check_name("product_id", _PRODUCT, record.product_id)
    if isinstance(record, StartMessage):
        _check_time("from_us", record.from_us)
    elif isinstance(record, WatermarkMessage):
        _check_time("watermark_us", record.watermark_us)
    elif isinstance(record, GapMessage):
        check_id("first_missing_id", record.first_missing_id)
        check_id("last_missing_id", record.last_missing_id)
    return record


def decode_trades_topic(value: bytes) -> TradesTopicMessage:
    """Read a record of the ``trades`` topic; numbers become exact decimals.

    Raises:
        MalformedMessageError: the value is not JSON or not one of the four records.
    """
    record = decode_record(value)
    if isinstance(record, TradesRecord):
        trades = trades_of(record)
        return TradesMessage(record.exchange, record.product_id, record.source, trades)
    return record


def encode_candle(candle: Candle) -> bytes:
    """Return the bytes of one ``ohlc`` record."""
    c = candle
    buy_volume = "null" if c.buy_volume is None else canonical(c.buy_volume)
    return (
        f'{{"type":"candle","exchange":{_text(c.exchange)},"product_id":{_text(c.product_id)}'
        f',"interval":"{c.interval}","window_start_ms":{c.window_start_ms}'
        f',"window_end_ms":{c.window_end_ms},"open":{canonical(c.open)}'
        f',"high":{canonical(c.high)},"low":{canonical(c.low)},"close":{canonical(c.close)}'
        f',"volume":{canonical(c.volume)},"vwap":{canonical(c.vwap)}'
        f',"trade_count":{c.trade_count},"buy_volume":{buy_volume}'
        f',"first_trade_id":{_id(c.first_trade_id)},"last_trade_id":{_id(c.last_trade_id)}'
        f',"complete":{"true" if c.complete else "false"},"revision":{c.revision}}}'
    ).encode()


def decode_candle(value: bytes) -> Candle:
    """Read a record of the ``ohlc`` topic.

    Raises:
        MalformedMessageError: the value is not JSON or not a candle.
    """
    record = _decoded(_ohlc_topics, value)
    if isinstance(record, CandleRecord):
        return candle_of(record)
    raise MalformedMessageError("it is a dead letter; expected a candle")


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Read a record of a dead-letter topic.

    Raises:
        MalformedMessageError: the value is not JSON or not a dead letter.
    """
    record = _decoded(_ohlc_topics, value)
    if isinstance(record, DeadLetter):
        return record
    raise MalformedMessageError("it is a candle; expected a dead letter")


def _decoded(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    try:
        check_text(value)
        return decoder.decode(value)
    except DECODE_ERRORS as error:
        raise MalformedMessageError(reason_of(error)) from None


def _check_name(field: str, pattern: re.Pattern[str], text: str) -> None:
    if pattern.fullmatch(text) is None:
        raise MalformedMessageError(f"{field} was {text[:40]!r}, which names none")


def _check_time(field: str, us: int) -> None:
    if not EARLIEST_US <= us <= time.time_ns() // 1_000 + _DAY_US:
        raise MalformedMessageError(f"{field} was {us}; expected a time from 2009 to a day ahead")
