"""Gauges, counters of changes, and health as progress."""

from collections.abc import Collection, Sequence
from functools import partial

from prometheus_client import Counter

from ohlc_core.domain.interval import Interval
from ohlc_core.kafka.admin import broker_answers
from ohlc_core.service.runner import Runtime
from trade_producer.connection import Inbox
from trade_producer.feed import Feed
from trade_producer.formatting import product_list
from trade_producer.metrics import Metrics
from trade_producer.product_flow import FlowReport, ProductFlow
from trade_producer.settings import ProducerSettings
from trade_producer.topic_writer import TopicWriter
from trade_producer.understanding import Understanding

_EVERY_SECONDS = 0.5
_EXCHANGE_SECONDS = 10.0
_BROKER_SECONDS = 10.0
_LOOP_SECONDS = 10.0
_CONTIGUITY_SECONDS = 300.0
# A problem is reported only after it has lasted.
_UNDERSTANDING_SECONDS = 2.0


class Monitoring:
    """Looks at the parts twice a second.

    Healthy means: frames come and are understood, trades are used, the broker acknowledges, and
    no product waits for a gap to be filled for minutes.
    """

    def __init__(self, runtime: Runtime, metrics: Metrics, settings: ProducerSettings) -> None:
        shortest_us = min(Interval.parse(text).us for text in settings.ohlc_intervals)
        understanding = Understanding(shortest_us / 1e6)
        self.understood = understanding.understood
        self.malformed = understanding.malformed
        self.decided = understanding.decided
        self._understanding = understanding
        metrics.show_known_labels(settings.product_ids)
        health = self._health = runtime.health
        self._status = runtime.status
        self._metrics = metrics
        self._next = 0.0
        self._heard: float | None = None
        self._has_heard = False
        self._counted: dict[tuple[str, str], int] = {}
        self._reconnects = 0
        health.expect("exchange", _EXCHANGE_SECONDS)
        for part, seconds in (("broker", _BROKER_SECONDS), ("loop", _LOOP_SECONDS)):
            health.expect(
                part,
                seconds,
                from_first=True,
                ends_after_seconds=settings.hang_seconds,
                peer_answers=partial(broker_answers, settings),
            )
        health.expect("contiguity", _CONTIGUITY_SECONDS)
        health.expect("understanding", _UNDERSTANDING_SECONDS)

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
        """Look at the parts, if it is time."""
        if now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        self._health.progress("loop")
        self._note_exchange(now, feed)
        self._metrics.inbox.set(inbox.waiting)
        self._metrics.broker_queue.set(writer.queued)
        if writer.queued == 0 or writer.has_progressed():
            self._health.progress("broker")
        reports = [flow.report() for flow in flows]
        for report in reports:
            self._note_product(report)
            self._understanding.note_state(report.product_id, report.state)
        if all(report.is_current or report.refusal for report in reports):
            self._health.progress("contiguity")
        problem = self._understanding.problem()
        if not problem:
            self._health.progress("understanding")
        self._report(now, feed, writer, reports, problem)

    def _report(
        self,
        now: float,
        feed: Feed,
        writer: TopicWriter,
        reports: Sequence[FlowReport],
        problem: str,
    ) -> None:
        """Renew what ``/status`` says."""
        behind = [report.product_id for report in reports if not report.is_current]
        if problem:
            self._status.say("not understood", problem)
        elif not feed.is_subscribed:
            self._status.say("connecting", f"Connecting to {feed.url}")
        elif behind:
            self._status.say("filling", f"Asking history for trades of {product_list(behind)}")
        else:
            self._status.say("live", f"Live: {len(reports)} products, nothing missing")
        self._status.progress(
            products={report.product_id: _product(report, now) for report in reports},
            unacknowledged_records=writer.queued,
            reconnects=feed.reconnects,
        )

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

    def _note_product(self, report: FlowReport) -> None:
        product, metrics = report.product_id, self._metrics
        metrics.buffered.labels(product).set(report.buffered)
        metrics.current.labels(product).set(report.is_current)
        if report.position is not None:
            metrics.last_trade.labels(product).set(report.position.timestamp_us / 1e6)
        for name, value in report.counts.items():
            counted = (name, product)
            counter: Counter = getattr(metrics, name)
            counter.labels(product).inc(value - self._counted.get(counted, 0))
            self._counted[counted] = value


def _product(report: FlowReport, now: float) -> dict[str, object]:
    position, gap = report.position, report.open_gap
    return {
        "last_trade_id": None if position is None else position.trade_id,
        "last_trade_us": None if position is None else position.timestamp_us,
        "waiting_trades": report.buffered,
        "is_current": report.is_current,
        "state": report.state,
        "open_gap": None
        if gap is None
        else {
            "after_id": gap.after_id,
            "until_id": gap.until_id,
            "open_seconds": round(now - gap.since, 1),
            "attempts": gap.attempts,
            "max_attempts": gap.max_attempts,
            "next_try_seconds": round(max(0.0, gap.next_try - now), 1),
        },
    }
