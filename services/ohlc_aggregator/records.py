"""From one record of the ``trades`` topic to the records it leads to."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from ohlc_aggregator.gap_log import GapLog
from ohlc_aggregator.metrics import Counts
from ohlc_core.domain.decimals import in_range
from ohlc_core.domain.product_candles import Output, ProductCandles, Rejected
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.codec import (
    TopicRecord,
    decode_record,
    encode,
    encode_candle,
    encode_trades,
)
from ohlc_core.messages.records import DeadLetter, StartMessage, WatermarkMessage
from ohlc_core.messages.scaled_trades import scaled_columns
from ohlc_core.messages.trades_record import TradesRecord, trades_of

#: Clocks differ by less. A trade's time beyond does not close windows: true trades of them follow.
TRUSTED_AHEAD_US = 5_000_000


class Place(NamedTuple):
    """Where a record was read, and its timestamp."""

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
        max_ahead_us: how far an event time may lie ahead of ``now_us``.
        now_us: the wall clock, microseconds. It only bounds wrong event times; no candle
            depends on it.
        counts: where what happened is counted.
        on_part: called between the parts of what one record leads to.
    """

    def __init__(
        self,
        max_ahead_us: int,
        now_us: Callable[[], int],
        counts: Counts,
        on_part: Callable[[], None] = lambda: None,
    ) -> None:
        self._max_ahead_us = max_ahead_us
        self._now_us = now_us
        self._counts = counts
        self._on_part = on_part
        self.gaps = GapLog()

    def decode(self, key: bytes | None, value: bytes | None) -> TopicRecord:
        """Return the record, the columns of trades not read yet.

        Raises:
            MalformedMessageError: it is none of the contract's, or not its key's.
        """
        if value is None:
            raise MalformedMessageError("the record has no value")
        record = decode_record(value)
        expected = f"{record.exchange}:{record.product_id}".encode()
        if key != expected:
            given = "missing" if key is None else repr(key.decode(errors="replace"))
            raise MalformedMessageError(
                f"the record's key was {given}; its message speaks of {expected.decode()!r}"
            )
        limit = self._now_us() + self._max_ahead_us
        if isinstance(record, WatermarkMessage) and record.watermark_us > limit:
            raise MalformedMessageError("watermark_us was in the future, beyond MAX_AHEAD")
        if isinstance(record, StartMessage) and record.from_us > limit:
            raise MalformedMessageError("from_us was in the future, beyond MAX_AHEAD")
        return record

    def apply(
        self, product: ProductCandles, record: TopicRecord, place: Place
    ) -> Iterable[Outgoing]:
        """Return what the record leads to: candles, and dead letters for what is wrong with it.

        Raises:
            MalformedMessageError: its columns are not as they must be; nothing has changed.
        """
        outgoing = self._outgoing(product.key, record, self._output(product, record), place)
        return chain(outgoing, self._rest(product, record, place)) if product.has_more else outgoing

    def approach(
        self, product: ProductCandles, record: TopicRecord, place: Place
    ) -> Iterable[Outgoing] | None:
        """Return a part of what a watermark far ahead leads to; None: `apply` gives the rest.

        Until then the record is not done: it has to come again.
        """
        if not isinstance(record, WatermarkMessage):
            return None
        output = product.approach(record.watermark_us)
        if output is None:
            return None
        self._on_part()
        outgoing = self._outgoing(product.key, record, output, place)
        return chain(outgoing, self._rest(product, record, place))

    def removed(self, product: ProductCandles, record: TopicRecord, place: Place) -> list[Outgoing]:
        """Return what it leads to that records before this one were removed unread."""
        outgoing = self._outgoing(product.key, record, product.on_removed(), place)
        return [*outgoing, *self._rest(product, record, place)]

    def reject(self, value: bytes | None, reason: str, place: Place) -> Outgoing:
        """Return the dead letter for a whole record."""
        payload = (value or b"").decode(errors="replace")
        return self._dead_letter("malformed", reason, payload, place)

    def _rest(
        self, product: ProductCandles, record: TopicRecord, place: Place
    ) -> Iterator[Outgoing]:
        while (output := product.more()) is not None:
            self._on_part()
            yield from self._outgoing(product.key, record, output, place)

    def _outgoing(
        self, key: ProductKey, record: TopicRecord, output: Output, place: Place
    ) -> list[Outgoing]:
        self._counts.add(key, output)
        outgoing = [
            Outgoing(encode_candle(candle), candle.window_end_ms) for candle in output.candles
        ]
        if output.rejected:
            outgoing += [self._reject(record, each, place) for each in output.rejected]
        return outgoing

    def _output(self, product: ProductCandles, record: TopicRecord) -> Output:
        if isinstance(record, TradesRecord):
            return self._trades(product, record)
        if isinstance(record, WatermarkMessage):
            return product.on_watermark(record.watermark_us, final=record.final)
        if isinstance(record, StartMessage):
            return product.on_start(record.from_us)
        counts = self._counts.product(product.key)
        counts.gaps += 1
        self.gaps.gap(product.key, record, counts.last_trade_us)
        return product.on_gap(record.first_missing_id, record.last_missing_id)

    def _trades(self, product: ProductCandles, record: TradesRecord) -> Output:
        limit = self._now_us() + self._max_ahead_us
        columns = scaled_columns(record)
        output = None
        if columns is not None:
            trusted = self._trusted_us(product, columns.first_us, limit)
            output = product.on_columns(columns, limit, trusted)
        if columns is not None and output is not None:
            first_us, last_us = columns.first_us, columns.last_us
        else:
            trades = trades_of(record)
            first_us, last_us = trades[0].timestamp_us, trades[-1].timestamp_us
            output = product.on_trades(trades, limit, self._trusted_us(product, first_us, limit))
        self._note_trades(product.key, len(record.sides), first_us, min(last_us, limit))
        return output

    def _trusted_us(self, product: ProductCandles, first_us: int, limit_us: int) -> int:
        """Return up to where a record's trades move event time.

        One record ahead of this machine's clock may be an error. A second one that goes on from
        it is a market whose clock is ahead.
        """
        trusted_us = limit_us - self._max_ahead_us + TRUSTED_AHEAD_US
        last_us = product.last_trade_us or 0
        goes_on = last_us > trusted_us and first_us >= last_us - TRUSTED_AHEAD_US
        return limit_us if goes_on else trusted_us

    def _note_trades(self, key: ProductKey, count: int, first_us: int, last_us: int) -> None:
        self._counts.trades += count
        counts = self._counts.product(key)
        counts.last_trade_us = max(counts.last_trade_us, last_us)
        self.gaps.trade(key, first_us)

    def _reject(self, record: TopicRecord, rejected: Rejected, place: Place) -> Outgoing:
        trade = rejected.trade
        if in_range(trade.price) and in_range(trade.quantity):
            source = record.source if isinstance(record, TradesRecord) else "rest"
            payload = encode_trades(record.exchange, record.product_id, source, [trade]).decode()
        else:
            payload = repr(trade)  # 1e999999 in plain notation would be a megabyte of zeros
        return self._dead_letter(rejected.reason, rejected.detail, payload, place)

    def _dead_letter(self, reason: str, detail: str, payload: str, place: Place) -> Outgoing:
        self._counts.dead_letters[reason] += 1
        letter = DeadLetter(reason, detail, place.topic, place.partition, place.offset, payload)
        return Outgoing(encode(letter), place.timestamp_ms, is_dead_letter=True)
