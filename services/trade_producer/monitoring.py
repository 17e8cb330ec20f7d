"""Gauges, counters of changes, and health as progress."""

from collections.abc import Collection

from ohlc_core.service.health import Health
from trade_producer.connection import Inbox
from trade_producer.feed import Feed
from trade_producer.metrics import Metrics
from trade_producer.product_flow import ProductFlow
from trade_producer.topic_writer import TopicWriter

_EVERY_SECONDS = 0.5
_BROKER_SECONDS = 30.0
_CONTIGUITY_SECONDS = 300.0


class Vitals:
    """Looks at the parts twice a second.

    Healthy means: frames come, the broker acknowledges, and no product waits for a hole to be
    filled for minutes.
    """

    def __init__(self, health: Health, metrics: Metrics, silence_seconds: float) -> None:
        self._health = health
        self._metrics = metrics
        self._next = 0.0
        self._heard: float | None = None
        self._has_heard = False
        self._counted: dict[tuple[str, str], int] = {}
        self._reconnects = 0
        health.expect("exchange", max(30.0, 3 * silence_seconds))
        health.expect("broker", _BROKER_SECONDS)
        health.expect("contiguity", _CONTIGUITY_SECONDS)

    def heard(self) -> None:
        """A frame came."""
        self._has_heard = True

    def note(
        self,
        now: float,
        flows: Collection[ProductFlow],
        inbox: Inbox,
        writer: TopicWriter,
        feed: Feed,
    ) -> None:
        """Take the pulse, if it is time."""
        if now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        self._note_exchange(now, feed)
        self._metrics.inbox.set(inbox.waiting)
        self._metrics.broker_queue.set(writer.queued)
        if writer.queued == 0 or writer.has_progressed():
            self._health.progress("broker")
        for flow in flows:
            self._note_product(flow)
        if all(flow.stream.is_current for flow in flows):
            self._health.progress("contiguity")

    def note_clock(self, exchange_us: int | None, local_us: int) -> None:
        """Show how far the exchange's clock is from this machine's."""
        if exchange_us is not None:
            self._metrics.clock_offset_seconds.set((exchange_us - local_us) / 1e6)

    def _note_exchange(self, now: float, feed: Feed) -> None:
        if self._has_heard:
            self._health.progress("exchange")
            self._has_heard, self._heard = False, now
        if self._heard is not None:
            self._metrics.silence_seconds.set(now - self._heard)
        self._metrics.reconnects.inc(feed.reconnects - self._reconnects)
        self._reconnects = feed.reconnects

    def _note_product(self, flow: ProductFlow) -> None:
        product, stream, metrics = flow.key.product_id, flow.stream, self._metrics
        metrics.parked.labels(product).set(stream.parked)
        metrics.current.labels(product).set(stream.is_current)
        for counter, value in (
            (metrics.dropped, stream.dropped),
            (metrics.gaps_detected, stream.holes),
            (metrics.gaps_filled, stream.filled),
            (metrics.jumps_accepted, flow.jumps_accepted),
        ):
            name = (str(counter), product)
            counter.labels(product).inc(value - self._counted.get(name, 0))
            self._counted[name] = value
