"""The thread that reads the topics' tails; it commits nothing and joins no group."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException, Message
from loguru import logger

from dashboard.market import Market
from dashboard.settings import DashboardSettings
from ohlc_core.domain.trade import Trade
from ohlc_core.domain.trade import reason_to_reject as reason_to_reject_trade
from ohlc_core.errors import MalformedMessageError
from ohlc_core.kafka.follower import TopicFollower
from ohlc_core.messages.codec import (
    decode_candle,
    decode_dead_letter,
    decode_record,
    decode_trades_topic,
)
from ohlc_core.messages.records import GapMessage, TradesMessage, WatermarkMessage, product_key
from ohlc_core.messages.trades_record import TradesRecord
from ohlc_features.replacement import reason_to_reject

_POLL_SECONDS = 0.1
_RETRY_SECONDS = 1.0
_TRADES_BEFORE = 2_000
_CANDLES_BEFORE = 4_000
_LETTERS_BEFORE = 50
# As the aggregator's MAX_AHEAD: what lies further ahead would hide all that comes before it.
_MAX_AHEAD_US = 3_600_000_000


class Tails:
    """Follows the topics from a little before their ends; of a backfill not its trades.

    Attributes:
        market: what they showed.
        answered_at: Unix time of the broker's last answer; 0 before the first.
        problem: why the broker is not read; "" while it is.
        dead_letters: the last ones of both dead-letter topics.
        dropped: records that could not be understood.
    """

    def __init__(self, settings: DashboardSettings, market: Market, stop: threading.Event) -> None:
        self.market = market
        self.answered_at = 0.0
        self.problem = "no answer from the broker yet"
        self.dead_letters: deque[dict[str, Any]] = deque(maxlen=_LETTERS_BEFORE)
        self.dropped = 0
        self._settings = settings
        self._is_backfill = settings.topics.is_backfill
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="tails", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end, which `stop` brings about."""
        self._thread.join(seconds)

    def _run(self) -> None:
        names = self._settings.topics
        while not self._stop.is_set():
            followers = {
                topic: TopicFollower(self._settings, topic, from_end=True, last=before)
                for topic, before in (
                    (names.trades, _TRADES_BEFORE),
                    (names.ohlc, _CANDLES_BEFORE),
                    (names.trades_dlq, _LETTERS_BEFORE),
                    (names.ohlc_dlq, _LETTERS_BEFORE),
                )
            }
            try:
                self._follow(followers)
            except KafkaException as error:
                self.problem = str(error.args[0].str())
                logger.debug("the topics cannot be read: {}", self.problem)
                self._stop.wait(_RETRY_SECONDS)
            finally:
                for follower in followers.values():
                    follower.close()

    def _follow(self, followers: dict[str, TopicFollower]) -> None:
        names = self._settings.topics
        next_look = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _RETRY_SECONDS
                self._look(followers[names.trades])
                self._letters(followers[names.trades_dlq], followers[names.ohlc_dlq])
            self._trades(followers[names.trades].read(_POLL_SECONDS))
            self._candles(followers[names.ohlc].read(0))

    def _look(self, follower: TopicFollower) -> None:
        """Notice whether the broker is there."""
        try:
            follower.ask()
        except KafkaException as error:
            self.problem = str(error.args[0].str())
        else:
            self.problem = ""
            self.answered_at = time.time()

    def _trades(self, messages: Iterable[Message]) -> None:
        for message in messages:
            value = message.value() or b""
            try:
                # A backfill appends more trades than are worth reading, all of windows long over.
                if self._is_backfill and isinstance(decode_record(value), TradesRecord):
                    continue
                record = decode_trades_topic(value)
            except MalformedMessageError:
                self.dropped += 1
                continue
            key = product_key(record)
            limit_us = int(time.time() * 1_000_000) + _MAX_AHEAD_US
            if isinstance(record, TradesMessage):
                trades = [trade for trade in record.trades if _counts(trade, limit_us)]
                self.dropped += len(trades) < len(record.trades)
                if trades:
                    self.market.trades(key, trades)
            elif isinstance(record, WatermarkMessage):
                if record.watermark_us <= limit_us:
                    self.market.watermark(key, record.watermark_us)
                else:
                    self.dropped += 1
            elif isinstance(record, GapMessage):
                self.market.gap(key, record)

    def _candles(self, messages: Iterable[Message]) -> None:
        for message in messages:
            try:
                candle = decode_candle(message.value() or b"")
            except MalformedMessageError:
                self.dropped += 1
                continue
            if reason_to_reject(candle) is None:
                self.market.candle(candle)
            else:
                self.dropped += 1

    def _letters(self, *followers: TopicFollower) -> None:
        for follower in followers:
            for message in follower.read(0):
                try:
                    letter = decode_dead_letter(message.value() or b"")
                except MalformedMessageError:
                    self.dropped += 1
                    continue
                self.dead_letters.append(
                    {
                        "reason": letter.reason,
                        "detail": letter.detail,
                        "topic": letter.topic,
                        "partition": letter.partition,
                        "offset": letter.offset,
                        "payload": letter.payload[:2_000],
                        "at": message.timestamp()[1],
                    }
                )


def _counts(trade: Trade, limit_us: int) -> bool:
    """Return whether the aggregator counts the trade, as far as it is known here."""
    return trade.timestamp_us <= limit_us and reason_to_reject_trade(trade) is None
