"""What the producer counts, for Prometheus. Products are labelled as the exchange names them."""

from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from ohlc_core.service.freshness import FRESHNESS_BUCKETS


class Metrics:
    """The producer's counters and gauges.

    Args:
        registry: where they are registered; one instance per registry.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"trade_producer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"trade_producer_{name}", text, labels, registry=registry)

        self.trades_in = counter("trades_in", "Trades received", "product", "source")
        self.queued = counter("trades_queued", "Trades handed to the broker client", "product")
        self.appended = counter("trades_appended", "Trades acknowledged by the broker")
        self.dropped = counter("trades_dropped_known", "Trades dropped as known", "product")
        self.gaps_detected = counter("gaps_detected", "Gaps in the ids that opened", "product")
        self.gaps_filled = counter("gaps_filled", "Gaps closed without loss", "product")
        self.gaps_unresolved = counter("gaps_unresolved", "Gap records appended", "product")
        self.ids_unresolved = counter("ids_unresolved", "Trade ids given up", "product")
        self.id_restarts = counter("id_restarts", "Times trade ids began again", "product")
        self.jumps_accepted = counter("jumps_accepted", "Id jumps accepted", "product")
        self.malformed = counter("malformed", "Frames or trades sent to the dead-letter topic")
        self.dead_letters_left_out = counter(
            "dead_letters_left_out", "Malformed frames or trades counted but not written"
        )
        self.reconnects = counter("reconnects", "Connections lost or replaced")
        self.rest_calls = counter("rest_calls", "REST calls", "status")
        self.rest_wait_seconds = counter("rest_wait_seconds", "Seconds waited for REST")
        self.watermarks = counter("watermarks", "Watermark records appended", "product")
        self.restarts = counter("restarts", "Times the topic's end was read again")
        self.silence_seconds = gauge("silence_seconds", "Seconds since the last frame")
        self.buffered = gauge("buffered_trades", "Trades waiting behind a gap", "product")
        self.inbox = gauge("inbox_frames", "Frames waiting for the main loop")
        self.broker_queue = gauge("broker_queue_records", "Records not acknowledged yet")
        self.clock_offset_seconds = gauge(
            "exchange_clock_offset_seconds", "The exchange's clock minus this machine's"
        )
        self.append_delay = Histogram(
            "trade_producer_append_delay_seconds",
            "A sample of live trades: from the event to the broker's acknowledgement",
            buckets=FRESHNESS_BUCKETS,
            registry=registry,
        )
        self.last_trade = gauge(
            "last_trade_timestamp_seconds", "Event time of the last trade appended", "product"
        )
        self.current = gauge("product_current", "1: no gap, none suspected", "product")

    def show_known_labels(self, products: Iterable[str]) -> None:
        """Let the counters of these products begin at 0, so that their first event shows."""
        for product in products:
            for counter in (
                self.queued,
                self.gaps_unresolved,
                self.ids_unresolved,
                self.watermarks,
            ):
                counter.labels(product)
            self.rest_calls.labels("200")
            for source in ("websocket", "rest"):
                self.trades_in.labels(product, source)
