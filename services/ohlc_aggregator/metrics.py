"""What the aggregator counts, and how Prometheus sees it.

Counted in plain integers on the way and published at each checkpoint, because a metric's lock
would cost as much as the candles of a record.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import Counter, Gauge, Histogram

from ohlc_core.domain.product_candles import Output
from ohlc_core.domain.trade import ProductKey
from ohlc_core.service.freshness import FRESHNESS_BUCKETS

TRADES = Counter("ohlc_trades_read_total", "Trades read from the trades topic")
CANDLES = Counter("ohlc_candles_emitted_total", "Candles emitted, revisions included", ["interval"])
#: The dead letters' reasons; a counter exists from the start, so that its first event shows.
REASONS = ("malformed", "too-late", "too-early", "invalid")

_PRODUCT = ("exchange", "product")
REVISIONS = Counter(
    "ohlc_revisions_total", "Candles emitted as a correction", [*_PRODUCT, "interval"]
)
DUPLICATES = Counter(
    "ohlc_duplicate_trades_total", "Trades dropped because their id was counted", _PRODUCT
)
LATE = Counter("ohlc_late_trades_total", "Trades that came after their window had closed", _PRODUCT)
GAPS = Counter("ohlc_gaps_total", "Gap records read", _PRODUCT)
DEAD_LETTERS = Counter("ohlc_dead_letters_total", "Rejected messages and trades", ["reason"])
OPEN_WINDOWS = Gauge("ohlc_open_windows", "Windows with trades that have not closed")
PRODUCTS = Gauge("ohlc_products", "Products this instance has seen since it started")
BASE_INTERVAL = Gauge("ohlc_base_interval_seconds", "The shortest interval of the candles")
WATERMARK = Gauge(
    "ohlc_watermark_timestamp_seconds", "Event time the product has reached", _PRODUCT
)
LAST_TRADE = Gauge(
    "ohlc_last_trade_timestamp_seconds", "Event time of the product's last trade", _PRODUCT
)
CLOSE_DELAY = Histogram(
    "ohlc_close_delay_seconds",
    "Live: from a window's end to its first candle",
    buckets=FRESHNESS_BUCKETS,
)
WATERMARK_LAG = Gauge(
    "ohlc_watermark_lag_seconds", "Wall clock minus the watermark of the product furthest behind"
)
CONSUMER_LAG = Gauge("ohlc_consumer_lag_records", "Records not yet read", ["partition"])
REMOVED = Counter(
    "ohlc_removed_records_total",
    "Records removed from the topic before they were read",
    ["partition"],
)
CHECKPOINT = Histogram("ohlc_checkpoint_state_seconds", "Seconds to write changed state")


def show_known_labels(intervals: Iterable[str]) -> None:
    """Let the counters of these intervals and of every reason begin at 0."""
    for interval in intervals:
        CANDLES.labels(interval)
    for reason in REASONS:
        DEAD_LETTERS.labels(reason)


class ProductCounts:
    """What happened to one product since it was last published.

    The intervals' counters and the product's begin at 0 when the product is first seen.
    """

    def __init__(self, key: ProductKey, intervals: Iterable[str]) -> None:
        labels = (key.exchange, key.product_id)
        self.gaps = self.duplicates = self.late = 0
        self.last_trade_us = 0
        self.revisions: Tally[str] = Tally()
        # Looking a metric's labels up costs more than counting.
        self._gaps, self._duplicates = GAPS.labels(*labels), DUPLICATES.labels(*labels)
        self._late, self._last_trade = LATE.labels(*labels), LAST_TRADE.labels(*labels)
        self._revisions = {each: REVISIONS.labels(*labels, each) for each in intervals}

    def publish(self) -> None:
        """Hand everything to Prometheus and begin again from 0."""
        if self.gaps or self.duplicates or self.late:
            self._gaps.inc(self.gaps)
            self._duplicates.inc(self.duplicates)
            self._late.inc(self.late)
            self.gaps = self.duplicates = self.late = 0
        if self.revisions:
            for interval, count in self.revisions.items():
                self._revisions[interval].inc(count)
            self.revisions.clear()
        if self.last_trade_us:
            self._last_trade.set(self.last_trade_us / 1e6)


class Counts:
    """What happened since it was last published.

    Args:
        intervals: of the candles.
        now_us: the wall clock for the delay of live candles; None in a backfill, where a
            window's end lies far back.
    """

    def __init__(
        self, intervals: Iterable[str] = (), now_us: Callable[[], int] | None = None
    ) -> None:
        self.trades = 0
        self.candles: Tally[str] = Tally()
        self.dead_letters: Tally[str] = Tally()
        self.products: dict[ProductKey, ProductCounts] = {}
        self._intervals = tuple(intervals)
        self._now_us = now_us
        # What ended before is history that is read, not a live candle.
        self._started_us = 0 if now_us is None else now_us()

    def product(self, key: ProductKey) -> ProductCounts:
        """Return the product's own counts."""
        counts = self.products.get(key)
        if counts is None:
            counts = self.products[key] = ProductCounts(key, self._intervals)
        return counts

    def add(self, key: ProductKey, output: Output) -> None:
        """Count what one record led to."""
        product = self.product(key)
        product.duplicates += output.duplicates
        product.late += output.late
        for candle in output.candles:
            self.candles[candle.interval] += 1
            if candle.revision > 0:
                product.revisions[candle.interval] += 1
            elif self._now_us is not None and candle.window_end_ms * 1_000 > self._started_us:
                CLOSE_DELAY.observe(max(0.0, self._now_us() / 1e6 - candle.window_end_ms / 1e3))

    def publish(self) -> None:
        """Hand everything to Prometheus and begin again from 0."""
        TRADES.inc(self.trades)
        self.trades = 0
        for product in self.products.values():
            product.publish()
        for tally, counter in ((self.candles, CANDLES), (self.dead_letters, DEAD_LETTERS)):
            for label, count in tally.items():
                counter.labels(label).inc(count)
            tally.clear()
