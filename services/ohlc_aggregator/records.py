"""From one record of the ``trades`` topic to the records it leads to."""

from collections.abc import Callable
from typing import NamedTuple

from ohlc_aggregator.gap_log import GapLog
from ohlc_aggregator.metrics import Counts
from ohlc_core.domain.product_candles import Output, ProductCandles, Rejected
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.codec import decode_trades_topic, encode, encode_candle, encode_trades
from ohlc_core.messages.records import (
    DeadLetter,
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
    product_key,
)


class Origin(NamedTuple):
    """Where a record was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class Outgoing(NamedTuple):
    """A record to produce, under the key of the record that led to it."""

    value: bytes
    timestamp_ms: int
    is_dead_letter: bool = False


class RecordReader:
    """Applies records to the candles of their product.

    Args:
        product: returns the candles of a product; called once a record.
        max_ahead_us: how far an event time may lie behind ``now_us``.
        now_us: the wall clock, microseconds. It only bounds wrong event times; no candle
            depends on it.
        counts: where what happened is counted.
    """

    def __init__(self, max_ahead_us: int, now_us: Callable[[], int], counts: Counts) -> None:
        self._max_ahead_us = max_ahead_us
        self._now_us = now_us
        self._counts = counts
        self.gaps = GapLog()

    def read(
        self,
        key: bytes | None,
        value: bytes | None,
        product: Callable[[ProductKey], ProductCandles],
        origin: Callable[[], Origin],
    ) -> list[Outgoing]:
        """Return what the record leads to: candles, and dead letters for what is wrong with it.

        Args:
            key: the record's key.
            value: the record's value.
            product: returns the candles of the record's product.
            origin: where the record was read; asked only for a dead letter.
        """
        try:
            message = self._decode(key, value)
        except MalformedMessageError as error:
            payload = (value or b"").decode(errors="replace")
            return [self._dead_letter("malformed", str(error), payload, origin())]
        product_name = product_key(message)
        output = self._apply(product(product_name), message)
        self._counts.add(product_name, output)
        outgoing = [
            Outgoing(encode_candle(candle), candle.window_end_ms) for candle in output.candles
        ]
        if output.rejected:
            outgoing += [self._reject(message, each, origin()) for each in output.rejected]
        return outgoing

    def _decode(self, key: bytes | None, value: bytes | None) -> TradesTopicMessage:
        if value is None:
            raise MalformedMessageError("the record has no value")
        message = decode_trades_topic(value)
        expected = str(product_key(message)).encode()
        if key != expected:
            given = "missing" if key is None else repr(key.decode(errors="replace"))
            raise MalformedMessageError(
                f"the record's key was {given}; its message speaks of {expected.decode()!r}"
            )
        limit = self._now_us() + self._max_ahead_us
        if isinstance(message, WatermarkMessage) and message.watermark_us > limit:
            raise MalformedMessageError("watermark_us was in the future, beyond MAX_AHEAD")
        return message

    def _apply(self, product: ProductCandles, message: TradesTopicMessage) -> Output:
        if isinstance(message, TradesMessage):
            self._note_trades(product.key, message)
            return product.on_trades(message.trades, self._now_us() + self._max_ahead_us)
        if isinstance(message, WatermarkMessage):
            return product.on_watermark(message.watermark_us, final=message.final)
        if isinstance(message, StartMessage):
            return product.on_start(message.from_us)
        counts = self._counts.product(product.key)
        counts.gaps += 1
        self.gaps.gap(product.key, message, counts.last_trade_us)
        return product.on_gap(message.first_missing_id, message.last_missing_id)

    def _note_trades(self, key: ProductKey, message: TradesMessage) -> None:
        self._counts.trades += len(message.trades)
        counts = self._counts.product(key)
        counts.last_trade_us = max(counts.last_trade_us, message.trades[-1].timestamp_us)
        self.gaps.trade(key, message.trades[0].timestamp_us)

    def _reject(self, message: TradesTopicMessage, rejected: Rejected, origin: Origin) -> Outgoing:
        source = message.source if isinstance(message, TradesMessage) else "rest"
        payload = encode_trades(message.exchange, message.product_id, source, [rejected.trade])
        return self._dead_letter(rejected.reason, rejected.detail, payload.decode(), origin)

    def _dead_letter(self, reason: str, detail: str, payload: str, origin: Origin) -> Outgoing:
        self._counts.dead_letters[reason] += 1
        letter = DeadLetter(reason, detail, origin.topic, origin.partition, origin.offset, payload)
        return Outgoing(encode(letter), origin.timestamp_ms, is_dead_letter=True)
