"""What the producer counts, for Prometheus. Products are labelled as the exchange names them."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


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
        self.current = gauge("product_current", "1: no gap, none suspected", "product")
