"""Where each product's stream begins, by START_FROM and by what the topic already holds."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import ExchangeAdapter, ExchangeError, Fetch, Position
from trade_producer.connection import monotonic_us
from trade_producer.exchange_clock import ExchangeClock
from trade_producer.settings import ProducerSettings, start_moment_us
from trade_producer.topic_tail import Tail

# How long the exchange's frames may take to report its time, before REST is asked for it.
_CLOCK_SECONDS = 3.0


class StartPlan(NamedTuple):
    """Where one product's stream begins.

    Exactly one of resume_at, resume_from_us and begin_us is set.

    Attributes:
        resume_at: behind this trade.
        recent: the trades that end the topic, where ids are shared.
        resume_from_us: a start that is in the topic already and that no trade followed.
        begin_us: a new beginning.
    """

    resume_at: Position | None = None
    resume_from_us: int | None = None
    begin_us: int | None = None
    recent: tuple[Position, ...] = ()


def needs_clock(start_from: str, keys: Sequence[ProductKey], tails: dict[ProductKey, Tail]) -> bool:
    """Return whether the exchange's present time decides where a product begins."""
    if start_from == "last":
        return any(key not in tails for key in keys)
    return start_moment_us(start_from) is None


def plan_start(
    start_from: str, tail: Tail | None, intervals: Sequence[Interval], now_us: int
) -> StartPlan:
    """Return where a product's stream begins.

    A beginning that lies behind the topic's end is a resumption: the topic never goes back.

    Args:
        start_from: the setting START_FROM.
        tail: where the product's records end; None: it has none.
        intervals: the candles' intervals; the longest one's current window is ``window``.
        now_us: the exchange's time.
    """
    moment = _moment_us(start_from, tail is None, intervals, now_us)
    if tail is None:
        return StartPlan(begin_us=moment)
    ends_us = tail.position.timestamp_us if tail.position is not None else tail.from_us or 0
    if moment is not None and moment > ends_us:
        logger.warning(
            "START_FROM={} skips what came after the topic's end; a start record says so",
            start_from,
        )
        return StartPlan(begin_us=moment)
    if tail.position is not None:
        return StartPlan(resume_at=tail.position, recent=tuple(tail.recent))
    return StartPlan(resume_from_us=tail.from_us)


def _moment_us(
    start_from: str, is_empty: bool, intervals: Sequence[Interval], now_us: int
) -> int | None:
    if start_from == "now":
        return now_us
    if start_from == "window" or (start_from == "last" and is_empty):
        return max(intervals, key=lambda interval: interval.us).window_start(now_us)
    return start_moment_us(start_from)


class StartPlanner:
    """Plans the start of all products, once the exchange's time is known where it is needed.

    Args:
        settings: START_FROM, the products and the intervals.
        adapter: the exchange.
        clock: learns the exchange's time from its frames.
        fetch: asks REST for the exchange's time.
    """

    def __init__(
        self,
        settings: ProducerSettings,
        adapter: ExchangeAdapter,
        clock: ExchangeClock,
        fetch: Fetch,
    ) -> None:
        self._start_from = settings.start_from
        self._keys = [ProductKey(adapter.name, product) for product in settings.product_ids]
        self._intervals = [Interval.parse(text) for text in settings.ohlc_intervals]
        self._adapter = adapter
        self._clock = clock
        self._fetch = fetch
        self._clock_deadline: float | None = None

    def plans(
        self, tails: dict[ProductKey, Tail], now: float, heard_us: int, *, is_subscribed: bool
    ) -> dict[ProductKey, StartPlan] | None:
        """Return where each product begins; None while the exchange's time is not known.

        Args:
            tails: where the products' records end.
            now: monotonic seconds.
            heard_us: when the latest frame came in, monotonic.
            is_subscribed: whether the exchange has acknowledged the subscriptions.
        """
        now_us = 0
        if needs_clock(self._start_from, self._keys, tails):
            known_us = self._exchange_now_us(now, heard_us) if is_subscribed else None
            if known_us is None:
                return None
            now_us = known_us
        return {
            key: plan_start(self._start_from, tails.get(key), self._intervals, now_us)
            for key in self._keys
        }

    def _exchange_now_us(self, now: float, heard_us: int) -> int | None:
        """Return the exchange's time, or None while its frames may still report it."""
        if self._adapter.provides_server_time:
            reported_us = self._clock.certain_us(heard_us)
            if reported_us is not None:
                return reported_us
            self._clock_deadline = self._clock_deadline or now + _CLOCK_SECONDS
            if now < self._clock_deadline:
                return None
        try:
            answered_us = self._adapter.exchange_time_us(self._fetch)
        except ExchangeError as error:
            logger.warning("the exchange did not report its time ({})", error)
            answered_us = None
        if answered_us is not None:
            self._clock.reported(answered_us, monotonic_us())
            return answered_us
        logger.warning("the exchange reports no time: this machine's decides where to begin")
        return time.time_ns() // 1_000
