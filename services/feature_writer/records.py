"""From a record of the ``ohlc`` topic to a candle, or to the reason why it is none."""

import time

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from feature_writer.batch import Rejected
from ohlc_core.domain.candle import Candle
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.codec import decode_candle
from ohlc_core.messages.records import DeadLetter
from ohlc_features.replacement import reason_to_reject

_PRICES = ("open", "high", "low", "close", "vwap")
_DAY_MS = 86_400_000


def read_record(message: Message) -> Candle | Rejected:
    """Return the candle in ``message``, or what goes to the dead-letter topic in its place.

    Reasons: ``malformed`` (not a candle's JSON) and ``invalid`` (a candle no store could keep).
    """
    value = message.value()
    if value is None:
        return _rejected(message, "malformed", "the record has no value")
    try:
        candle = decode_candle(value)
    except MalformedMessageError as error:
        return _rejected(message, "malformed", str(error))
    defect = reason_to_reject(candle) or _impossible(candle)
    return candle if defect is None else _rejected(message, "invalid", defect)


def _impossible(candle: Candle) -> str | None:
    """Return what no market's candle is, or None."""
    for field in _PRICES:
        if getattr(candle, field) <= 0:
            return f"{field} is not above 0"
    if candle.volume < 0 or (candle.buy_volume or 0) < 0:
        return "volume or buy_volume is negative"
    latest_ms = time.time_ns() // 1_000_000 + _DAY_MS
    return "window_start_ms is over a day ahead" if candle.window_start_ms > latest_ms else None


def _rejected(message: Message, reason: str, detail: str) -> Rejected:
    kind, timestamp_ms = message.timestamp()
    value = message.value() or b""
    letter = DeadLetter(
        reason=reason,
        detail=detail,
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        payload=value.decode("utf-8", "replace"),
    )
    return Rejected(message.key(), 0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms, letter)
