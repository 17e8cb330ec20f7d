"""The main loop: one thread that owns all state, fed by the inbox.

Sockets and history are read by threads that only put into the inbox; everything is decided and
appended here, in order.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.errors import SettingsError
from ohlc_core.service.runner import Runtime
from ohlc_exchanges.base import (
    Alive,
    ExchangeAdapter,
    ExchangeError,
    Malformed,
    NewestTold,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.http import RestFetcher, RetryPolicy
from trade_producer.connection import Closed, FrameArrived, Inbox, Opened, steady_us
from trade_producer.contiguity import ProductStream
from trade_producer.exchange_clock import ExchangeClock
from trade_producer.feed import Feed, FeedEvent, Heard
from trade_producer.gap_filler import FillEnded, Fills, PageRead, ProductUnknown
from trade_producer.metrics import Metrics
from trade_producer.monitoring import Vitals
from trade_producer.product_flow import Patience, ProductFlow
from trade_producer.record_encoder import Outbox
from trade_producer.settings import ProducerSettings
from trade_producer.start import needs_clock, plan_start
from trade_producer.stream_outputs import Output
from trade_producer.topic_tail import Tail
from trade_producer.topic_writer import AppendFailedError, TopicWriter
from trade_producer.watermarks import Watermarks

_TAKE_SECONDS = 0.05
_TICK_SECONDS = 0.05
_CLOCK_SECONDS = 3.0
_FLUSH_SECONDS = 20.0

# No market prints so many trades between two frames of a connection that lacks none.
_IMPLAUSIBLE_JUMP = 1_000_000

Tails = dict[ProductKey, Tail]


class LiveProducer:
    """Takes trades from the exchange to the topic until it is told to stop; use once.

    Args:
        settings: the producer's settings.
        adapter: the exchange.
        runtime: the stop event and health.
        writer: where records go.
        metrics: what is counted.
    """

    def __init__(
        self,
        settings: ProducerSettings,
        adapter: ExchangeAdapter,
        runtime: Runtime,
        writer: TopicWriter,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._adapter = adapter
        self._stop = runtime.stop
        self._writer = writer
        self._metrics = metrics
        self._random = random.Random()
        self._inbox = Inbox()
        self._stop_history = threading.Event()
        self._fetch = self._fetcher()
        self._fills = Fills(adapter, self._fetch, self._inbox)
        self._feed = Feed(
            adapter,
            settings.exchange_ws_url,
            settings.product_ids,
            self._inbox,
            backoff_seconds=settings.connect_backoff_seconds,
            max_age_seconds=settings.max_connection_age_seconds
            or adapter.max_connection_age_seconds,
            random_=self._random,
        )
        self._outbox = Outbox(writer, metrics)
        self._clock = ExchangeClock(tells_time=adapter.tells_time)
        self._intervals = [Interval.parse(text) for text in settings.ohlc_intervals]
        self._flows = {product: self._flow(product) for product in settings.product_ids}
        self._vitals = Vitals(runtime, metrics, settings)
        self._heard_us = 0
        self._tails: Tails = {}
        self._has_begun = False
        self._held: list[TradesSeen] = []
        self._clock_deadline: float | None = None
        self._next_tick = 0.0

    def run(self, read_tails: Callable[[], Tails]) -> None:
        """Run until stop is set, then flush.

        Args:
            read_tails: reads where the products' records end; called once, while the first
                connection is being made.

        Raises:
            AppendFailedError: the topic must be read anew.
            SettingsError: the exchange does not know a product.
            FatalError: another producer took over.
        """
        try:
            self._feed.tick(time.monotonic())
            if not self._adapter.tells_unknown_products:
                self._fills.check(self._settings.product_ids)
            self._tails = read_tails()
            while not self._stop.is_set():
                self._step()
            self._finish()
        finally:
            self._feed.close()
            self._stop_history.set()
            self._fills.close()
            self._fetch.close()

    # --- the loop -----------------------------------------------------------------------------

    def _step(self) -> None:
        for event in self._inbox.take(_TAKE_SECONDS):
            self._dispatch(event)
        now = time.monotonic()
        if now < self._next_tick:
            return
        self._next_tick = now + _TICK_SECONDS
        for feed_event in self._feed.tick(now):
            self._hear(feed_event)
        self._writer.poll()
        if self._has_begun or self._begin(now):
            self._ask_history(now)
            self._append_watermarks()
        self._vitals.note(now, self._flows.values(), self._inbox, self._writer, self._feed)
        self._vitals.note_clock(self._clock.estimate_us(steady_us()), time.time_ns() // 1_000)

    def _dispatch(self, event: object) -> None:
        now = time.monotonic()
        if isinstance(event, FrameArrived | Opened | Closed):
            for feed_event in self._feed.handle(event, now):
                self._hear(feed_event)
        elif isinstance(event, PageRead):
            flow = self._flows[event.job.product_id]
            self._metrics.trades_in.labels(flow.key.product_id, "rest").inc(len(event.trades))
            self._emit(flow, flow.page(event.job, event.trades))
        elif isinstance(event, FillEnded):
            self._fill_ended(event, now)
        elif isinstance(event, ProductUnknown):
            self._refuse(event.product_id, event.words)

    def _hear(self, event: FeedEvent) -> None:
        if not isinstance(event, Heard):
            for flow in self._flows.values():
                flow.lost()
            return
        self._heard_us = max(self._heard_us, event.steady_us)
        self._vitals.heard()
        what = event.event
        if isinstance(what, TradesSeen):
            self._clock.traded(what.trades[-1].timestamp_us, event.steady_us)
            self._take(what)
        elif isinstance(what, Alive):
            if what.exchange_time_us is not None:
                self._clock.told(what.exchange_time_us, event.steady_us)
        elif isinstance(what, SubscriptionRejected):
            self._rejected(what)
        elif isinstance(what, Subscribed | NewestTold):
            self._told(what)
        elif isinstance(what, Malformed):
            logger.warning("malformed frame: {}", what.reason)
            self._outbox.reject(self._adapter.name, self._feed.url, what.reason, what.payload)

    def _take(self, seen: TradesSeen) -> None:
        flow = self._flows.get(seen.product_id)
        if flow is None:
            return  # of a product that was not asked for
        if not self._has_begun:
            self._held.append(seen)
            return
        trades = self._plausible(flow, seen.trades)
        self._metrics.trades_in.labels(seen.product_id, "websocket").inc(len(seen.trades))
        self._emit(flow, flow.live(trades))

    def _plausible(self, flow: ProductFlow, trades: tuple[Trade, ...]) -> tuple[Trade, ...]:
        """Reject ids that no market could have reached since the last trade."""
        position = flow.stream.position
        if position is None or not (self._adapter.has_dense_ids and flow.stream.is_current):
            return trades
        most = int(position.trade_id) + _IMPLAUSIBLE_JUMP
        if int(trades[-1].trade_id) <= most:
            return trades
        for trade in trades:
            if int(trade.trade_id) > most:
                detail = f"trade_id jumps by more than {_IMPLAUSIBLE_JUMP}"
                self._outbox.reject(self._adapter.name, self._feed.url, detail, str(trade))
        return tuple(trade for trade in trades if int(trade.trade_id) <= most)

    def _emit(self, flow: ProductFlow, outputs: list[Output]) -> None:
        if outputs:
            position = flow.stream.position
            self._outbox.append(flow.key, outputs, position.timestamp_us if position else 0)

    # --- the beginning ------------------------------------------------------------------------

    def _begin(self, now: float) -> bool:
        """Set every stream where it begins, once the exchange's time is known."""
        keys = [flow.key for flow in self._flows.values()]
        now_us = 0
        if needs_clock(self._settings.start_from, keys, self._tails):
            known_us = self._exchange_now_us(now)
            if known_us is None:
                return False
            now_us = known_us
        for flow in self._flows.values():
            tail = self._tails.get(flow.key)
            flow.begin(
                plan_start(self._settings.start_from, tail, self._intervals, now_us),
                reached_us=tail.reached_us if tail is not None else None,
            )
        self._has_begun = True
        held, self._held = self._held, []
        for seen in held:
            self._take(seen)
        return True

    def _exchange_now_us(self, now: float) -> int | None:
        """Return the exchange's time, or None while its frames may still tell it."""
        if not self._feed.is_subscribed:
            return None
        told_us = self._clock.certain_us(self._heard_us) if self._adapter.tells_time else None
        if told_us is not None:
            return told_us
        if self._adapter.tells_time:
            self._clock_deadline = self._clock_deadline or now + _CLOCK_SECONDS
            if now < self._clock_deadline:
                return None
        try:
            told = self._adapter.exchange_time_us(self._fetch)
        except ExchangeError as error:
            logger.warning("the exchange did not tell its time ({})", error)
            told = None
        if told is not None:
            self._clock.told(told, steady_us())
            return told
        logger.warning("the exchange does not tell its time: this machine's decides where to begin")
        return time.time_ns() // 1_000

    def _told(self, what: Subscribed | NewestTold) -> None:
        flow = self._flows.get(what.product_id)
        if flow is None:
            return  # of a product that was not asked for
        if isinstance(what, Subscribed):
            flow.subscribed()
        else:
            flow.stream.told_newest(what.trade_id)

    def _rejected(self, rejected: SubscriptionRejected) -> None:
        flow = self._flows.get(rejected.product_id)
        if rejected.is_unknown_product and (flow is None or not flow.was_subscribed):
            self._refuse(rejected.product_id, rejected.words)
        logger.error("the exchange refused {}: {}", rejected.product_id or "all", rejected.words)

    def _refuse(self, product_id: str, words: str) -> NoReturn:
        given = f"{product_id!r} in PRODUCT_IDS" if product_id else "PRODUCT_IDS"
        raise SettingsError(
            f"{given} is refused by {self._adapter.name}: {words}; "
            "allowed: products as the exchange names them"
        )

    # --- history, watermarks, the end ---------------------------------------------------------

    def _ask_history(self, now: float) -> None:
        for flow in self._flows.values():
            job = flow.wanted(now)
            if job is not None:
                self._fills.start(job)

    def _fill_ended(self, end: FillEnded, now: float) -> None:
        flow = self._flows[end.job.product_id]
        if isinstance(end.error, UnknownProductError) and flow.key not in self._tails:
            self._refuse(flow.key.product_id, str(end.error))
        self._emit(flow, flow.ended(end, now))

    def _append_watermarks(self) -> None:
        certain_us = self._clock.certain_us(self._heard_us)
        if certain_us is None:
            return
        for flow in self._flows.values():
            due_us = flow.watermark_due(certain_us)
            if due_us is not None:
                self._outbox.watermark(flow.key, due_us)
                flow.watermarks.reach(due_us)

    def _finish(self) -> None:
        logger.info("stopping: flushing {} records", self._writer.queued)
        self._feed.close()
        left = self._writer.flush(_FLUSH_SECONDS)
        if left:
            raise AppendFailedError(
                f"{left} records were not acknowledged within {_FLUSH_SECONDS:g} s; "
                "the next start fetches them again"
            )

    # --- construction -------------------------------------------------------------------------

    def _fetcher(self) -> RestFetcher:
        metrics = self._metrics
        return RestFetcher(
            self._adapter,
            self._settings.exchange_rest_url,
            stop=self._stop_history,
            policy=RetryPolicy(attempts=3, most_seconds=5.0),
            interval_seconds=self._settings.rest_interval_seconds,
            on_wait=lambda _why, seconds: metrics.rest_wait_seconds.inc(seconds),
            on_call=lambda _seconds, status: metrics.rest_calls.labels(status).inc(),
            random_=self._random,
        )

    def _flow(self, product: str) -> ProductFlow:
        settings = self._settings
        return ProductFlow(
            ProductKey(self._adapter.name, product),
            self._adapter,
            ProductStream(
                dense=self._adapter.has_dense_ids,
                max_parked=max(1_000, settings.max_parked_trades // len(settings.product_ids)),
            ),
            Watermarks(self._intervals, settings.grace_ms * 1_000),
            Patience(
                settings.fill_attempts,
                settings.fill_patience_seconds,
                self._random,
                accepts_jumps=settings.confirmed_jumps == "accept",
            ),
        )
