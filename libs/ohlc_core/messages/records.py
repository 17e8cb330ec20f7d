"""The records of the ``trades`` topic and of the dead-letter topics.

The ``ohlc`` topic carries `ohlc_core.domain.candle.Candle`.
"""

import msgspec

from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.trades_record import Source as Source  # noqa: PLC0414


class TradesMessage(msgspec.Struct, frozen=True):
    """One or more trades of one product that came together, in the exchange's order."""

    exchange: str
    product_id: str
    source: Source
    trades: list[Trade]


class StartMessage(msgspec.Struct, frozen=True, tag_field="type", tag="start"):
    """A stream begins with nothing known before it: every trade at or after from_us follows."""

    exchange: str
    product_id: str
    from_us: int


class WatermarkMessage(msgspec.Struct, frozen=True, tag_field="type", tag="watermark"):
    """No more trades before watermark_us are expected; ``final`` ends a replay of the product."""

    exchange: str
    product_id: str
    watermark_us: int
    final: bool = False


class GapMessage(msgspec.Struct, frozen=True, tag_field="type", tag="gap"):
    """Trade ids first_missing_id..last_missing_id (inclusive) could not be retrieved."""

    exchange: str
    product_id: str
    first_missing_id: str
    last_missing_id: str


TradesTopicMessage = TradesMessage | StartMessage | WatermarkMessage | GapMessage


class DeadLetter(msgspec.Struct, frozen=True, tag_field="type", tag="dead-letter"):
    """A rejected message, or the rejected part of one.

    Attributes:
        reason: a stable word for counting: ``malformed``, ``too-late``, ``too-early``, ...
        detail: one line for a person: what was wrong, in which field.
        topic: where the message was read, or the exchange's address for a websocket frame.
        partition: of that topic; -1 when it was no topic.
        offset: in that partition; -1 when it was no topic.
        payload: the rejected text, as read (undecodable bytes replaced); cut where the letter
            would be too large for the topic, which ``detail`` then says.
    """

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    payload: str


def product_key(message: TradesTopicMessage) -> ProductKey:
    """Return the product a ``trades`` record speaks of."""
    return ProductKey(message.exchange, message.product_id)
