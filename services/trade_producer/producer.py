"""The main loop: one thread that owns all state, fed by the inbox.

Sockets and history are read by threads that only put into the inbox; everything is decided and
appended here, in order. A trade's way: `LiveProducer._step`, `Feed.handle`, the adapter's
`read_frame`, `LiveProducer._take`, `ProductFlow.live`, the stream's `live`,
`RecordEncoder.append`, `TopicWriter.append`.
"""

import threading
import time
from collections.abc import Callable
from typing import NoReturn

from loguru import logger

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import AppendFailedError, SettingsError
from ohlc_core.service.runner import Runtime
from ohlc_exchanges.base import (
    Alive,
    ExchangeAdapter,
    FrameEvent,
    Malformed,
    NewestReported,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from trade_producer.connection import Closed, FrameArrived, Inbox, Opened, monotonic_us
from trade_producer.exchange_clock import ExchangeClock
from trade_producer.factory import make_feed, make_fetcher, make_flows, make_window_ends
from trade_producer.feed import FeedEvent, Lost
from trade_producer.gap_filler import FillEnded, GapFiller, PageRead, ProductUnknown
from trade_producer.metrics import Metrics
from trade_producer.monitoring import Monitoring
from trade_producer.notices import Notices
from trade_producer.product_flow import ProductFlow
from trade_producer.record_encoder import RecordEncoder
from trade_producer.settings import ProducerSettings
from trade_producer.start import StartPlanner
from trade_producer.stream_outputs import Output
from trade_producer.suspects import Suspects
from trade_producer.topic_tail import Tail
from trade_producer.topic_writer import TopicWriter

_TAKE_SECONDS = 0.05
_TICK_SECONDS = 0.05
# Where a market is played back far above its speed, a window ends with every turn of the loop.
_ASK_SECONDS = 0.2
# Readers call a topic stalled that does not grow for some seconds longer than this.
_SIGN_OF_LIFE_SECONDS = 3.0
_FLUSH_SECONDS = 5.0
# No exchange's clock is further ahead of this machine's than this.
_MAX_AHEAD_US = 86_400_000_000

Tails = dict[ProductKey, Tail]


class LiveProducer:
    """Takes trades from the exchange to the topic until stop is set; use once.

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
        self._inbox = Inbox()
        self._stop_history = threading.Event()
        self._fetch = make_fetcher(settings, adapter, metrics, self._stop_history)
        self._gap_filler = GapFiller(adapter, self._fetch, self._inbox)
        self._feed = make_feed(settings, adapter, self._inbox)
        self._encoder = RecordEncoder(writer, metrics)
        self._notices = Notices()
        self._suspects = Suspects({each: adapter.symbol(each) for each in settings.product_ids})
        self._clock = ExchangeClock(provides_server_time=adapter.provides_server_time)
        self._planner = StartPlanner(settings, adapter, self._clock, self._fetch)
        self._flows = make_flows(settings, adapter)
        self._window_ends = make_window_ends(settings)
        self._awaits_time = False
        self._next_ask = 0.0
        self._monitoring = Monitoring(runtime, metrics, settings)
        self._heard_us = 0
        self._tails: Tails = {}
        self._has_begun = False
        self._before_begin: list[FeedEvent] = []
        self._next_tick = 0.0

    def run(self, read_tails: Callable[[], Tails]) -> None:
        """Run until stop is set, then flush.

        Args:
            read_tails: reads where the products' records end; called once, while the first
                connection is being made.

        Raises:
            AppendFailedError: the topic must be read again.
            SettingsError: the exchange does not know a product.
            FatalError: another producer took over.
        """
        try:
            self._feed.tick(time.monotonic())
            if not self._adapter.rejects_unknown_products:
                self._gap_filler.check(self._settings.product_ids)
            self._tails = read_tails()
            while not self._stop.is_set():
                self._step()
            self._finish()
        finally:
            self._feed.close()
            self._stop_history.set()
            self._gap_filler.close()
            self._fetch.close()

    # --- the loop -----------------------------------------------------------------------------

    def _step(self) -> None:
        for event in self._inbox.take(self._ask_time_when_due()):
            if isinstance(event, FrameArrived | Opened | Closed):
                for feed_event in self._feed.handle(event, time.monotonic()):
                    self._take(feed_event)
            elif isinstance(event, PageRead):
                self._page_read(event)
            elif isinstance(event, FillEnded):
                self._fill_ended(event)
            elif isinstance(event, ProductUnknown):
                self._unknown_product(self._flows[event.product_id], event.reason)
        if (now := time.monotonic()) >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick(now)

    def _ask_time_when_due(self) -> float:
        """Ask for the exchange's time where windows end; return how long to wait for events."""
        exchange_us = self._clock.estimate_us(monotonic_us())
        if exchange_us is None:
            return _TAKE_SECONDS
        now = time.monotonic()
        if self._window_ends.have_passed(exchange_us) and now >= self._next_ask:
            self._next_ask = now + _ASK_SECONDS
            self._feed.ask_time(now)
            self._awaits_time = True
        return min(_TAKE_SECONDS, self._window_ends.seconds_left(exchange_us))

    def _tick(self, now: float) -> None:
        for feed_event in self._feed.tick(now):
            self._take(feed_event)
        self._writer.poll()
        self._notices.tick()
        for product in self._suspects.take():
            self._flows[product].suspect_missing()
        if self._has_begun or self._begin(now):
            self._ask_history(now)
            self._append_watermarks(now)
        self._monitoring.note(now, self._flows.values(), self._inbox, self._writer, self._feed)
        self._note_clock(self._clock.estimate_us(monotonic_us()), time.time_ns() // 1_000)

    # --- what the exchange sent ---------------------------------------------------------------

    def _take(self, feed_event: FeedEvent) -> None:
        if isinstance(feed_event, Lost):
            for flow in self._flows.values():
                flow.lost()
            return
        event, received_us = feed_event
        self._heard_us = max(self._heard_us, received_us)
        self._monitoring.heard()
        if isinstance(event, TradesSeen):
            self._monitoring.understood()
            self._clock.trade_seen(event.trades[-1].timestamp_us, received_us)
            if not self._has_begun:
                self._before_begin.append(feed_event)
            elif (asked := self._flows.get(event.product_id)) is not None:
                self._metrics.trades_in.labels(event.product_id, "websocket").inc(len(event.trades))
                self._append(asked, asked.live(event.trades))
        elif isinstance(event, Alive):
            if event.exchange_time_us is not None:
                self._clock.reported(event.exchange_time_us, received_us)
                if self._awaits_time:
                    # Its answer lets the windows of quiet products be closed.
                    self._awaits_time, self._next_tick = False, 0.0
        else:
            self._take_notice(event)

    def _take_notice(self, event: FrameEvent) -> None:
        if isinstance(event, Subscribed | NewestReported):
            self._product_event(event)
        elif isinstance(event, SubscriptionRejected):
            self._rejected(event)
        elif isinstance(event, Malformed):
            self._malformed(event)

    def _malformed(self, malformed: Malformed) -> None:
        self._notices.warn("malformed frames", f"malformed frame: {malformed.reason}")
        self._monitoring.malformed(malformed.reason)
        self._encoder.reject(
            self._adapter.name, self._feed.url, malformed.reason, malformed.payload
        )
        self._suspects.note(malformed.payload)

    def _append(self, flow: ProductFlow, outputs: list[Output]) -> None:
        if outputs:
            self._monitoring.decided(flow.key.product_id, outputs)
            self._encoder.append(flow.key, outputs, flow.known_us, self._feed.url)

    def _product_event(self, event: Subscribed | NewestReported) -> None:
        flow = self._flows.get(event.product_id)
        if flow is None:
            return  # of a product that was not asked for
        if isinstance(event, Subscribed):
            flow.subscribed()
        else:
            flow.reported_newest(event.trade_id)

    def _rejected(self, rejected: SubscriptionRejected) -> None:
        product = rejected.product_id
        if product and product not in self._flows:
            self._notices.warn(
                "refusals of products nobody asked for",
                f"the exchange refused {product!r}, which nobody asked for: {rejected.words}",
            )
        elif not rejected.is_unknown_product:
            self._notices.warn(
                f"refusals of {product or 'all products'}",
                f"the exchange refused {product or 'all'}: {rejected.words}; asking again",
            )
        elif product:
            self._unknown_product(self._flows[product], rejected.words)
        elif not any(flow.has_been_subscribed for flow in self._flows.values()):
            self._refuse("", rejected.words)

    def _unknown_product(self, flow: ProductFlow, reason: str) -> None:
        """End where the setting is wrong; go on where the product was known before."""
        # An acknowledgement proves nothing where the exchange acknowledges any name.
        was_accepted = self._adapter.rejects_unknown_products and flow.has_been_subscribed
        if not (was_accepted or flow.known_us or flow.key in self._tails):
            self._refuse(flow.key.product_id, reason)
        flow.refused(reason, time.monotonic())

    def _refuse(self, product_id: str, reason: str) -> NoReturn:
        given = f"{product_id!r} in PRODUCT_IDS" if product_id else "PRODUCT_IDS"
        raise SettingsError(
            f"{given} is refused by {self._adapter.name}: {reason}; "
            "allowed: products as the exchange names them"
        )

    # --- the beginning ------------------------------------------------------------------------

    def _begin(self, now: float) -> bool:
        """Set every stream where it begins, once the exchange's time is known."""
        plans = self._planner.plans(
            self._tails, now, self._heard_us, is_subscribed=self._feed.is_subscribed
        )
        if plans is None:
            return False
        for flow in self._flows.values():
            flow.begin(plans[flow.key], reached_us=self._reached_us(flow.key))
        self._has_begun = True
        seen, self._before_begin = self._before_begin, []
        for each in seen:
            self._take(each)
        return True

    def _reached_us(self, key: ProductKey) -> int | None:
        """Return the greatest event time in the topic, where it is one that can be."""
        tail = self._tails.get(key)
        if tail is None:
            return None
        if tail.reached_us <= time.time_ns() // 1_000 + _MAX_AHEAD_US:
            return tail.reached_us
        logger.error(
            "{}: topic {} holds an event time more than a day ahead ({} us): candles up to it are "
            "closed, and trades before it count as late; stop the pipeline, delete the topics, "
            "start again, and repair the candles with `make backfill`",
            key,
            self._settings.topics.trades,
            tail.reached_us,
        )
        return None

    # --- history, watermarks, the end ---------------------------------------------------------

    def _ask_history(self, now: float) -> None:
        for flow in self._flows.values():
            job = flow.wanted(now)
            if job is not None:
                self._gap_filler.start(job)

    def _page_read(self, page: PageRead) -> None:
        flow = self._flows[page.job.product_id]
        self._metrics.trades_in.labels(flow.key.product_id, "rest").inc(len(page.trades))
        for row in page.rejected:
            self._notices.warn("rejected rows", f"a row of history is no trade: {row.reason}")
            self._encoder.reject(self._adapter.name, "history", row.reason, row.payload)
        self._append(flow, flow.page(page.job, page.trades))

    def _fill_ended(self, end: FillEnded) -> None:
        flow = self._flows[end.job.product_id]
        if isinstance(end.error, UnknownProductError):
            self._unknown_product(flow, str(end.error))
        self._append(flow, flow.ended(end, time.monotonic()))

    def _append_watermarks(self, now: float) -> None:
        certain_us = self._clock.certain_us(self._heard_us)
        if certain_us is None:
            return
        if now - self._writer.appended_at > _SIGN_OF_LIFE_SECONDS:
            self._append_sign_of_life(certain_us)
        for flow in self._flows.values():
            due_us = flow.watermark_due(certain_us)
            if due_us is not None:
                self._encoder.watermark(flow.key, due_us)

    def _note_clock(self, exchange_us: int | None, local_us: int) -> None:
        self._monitoring.note_clock(exchange_us, local_us)
        if exchange_us is not None:
            self._encoder.delay.clock_offset_us = exchange_us - local_us

    def _append_sign_of_life(self, certain_us: int) -> None:
        """Append the watermark of one product, so that a quiet market is no standstill."""
        for flow in self._flows.values():
            now_us = flow.watermark_now(certain_us)
            if now_us is not None:
                self._encoder.watermark(flow.key, now_us)
                return

    def _finish(self) -> None:
        logger.info("stopping: flushing {} records", self._writer.queued)
        self._feed.close()
        left = self._writer.flush(_FLUSH_SECONDS)
        if left:
            raise AppendFailedError(
                f"{left} records were not acknowledged within {_FLUSH_SECONDS:g} s; "
                "the next start fetches them again"
            )
