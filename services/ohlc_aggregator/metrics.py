"""What the aggregator counts, and how Prometheus sees it.

Counted in plain integers on the way and published at each checkpoint, because a metric's lock
would cost as much as the candles of a record.
"""

from collections import Counter as Tally

from prometheus_client import Counter, Gauge, Histogram

from ohlc_core.domain.product_candles import Output

TRADES = Counter("ohlc_trades_read_total", "Trades read from the trades topic")
CANDLES = Counter("ohlc_candles_emitted_total", "Candles emitted, revisions included", ["interval"])
REVISIONS = Counter("ohlc_revisions_total", "Candles emitted as a correction")
DUPLICATES = Counter("ohlc_duplicate_trades_total", "Trades dropped because their id was counted")
LATE = Counter("ohlc_late_trades_total", "Trades that came after their window had closed")
GAPS = Counter("ohlc_gaps_total", "Gap records read")
DEAD_LETTERS = Counter("ohlc_dead_letters_total", "Rejected messages and trades", ["reason"])
OPEN_WINDOWS = Gauge("ohlc_open_windows", "Windows with trades that have not closed")
PRODUCTS = Gauge("ohlc_products", "Products this instance has seen since it started")
WATERMARK_LAG = Gauge(
    "ohlc_watermark_lag_seconds", "Wall clock minus the watermark of the product furthest behind"
)
CONSUMER_LAG = Gauge("ohlc_consumer_lag_records", "Records not yet read", ["partition"])
CHECKPOINT = Histogram("ohlc_checkpoint_state_seconds", "Seconds to write changed state")


class Counts:
    """What happened since it was last published."""

    def __init__(self) -> None:
        self.trades = 0
        self.gaps = 0
        self.candles: Tally[str] = Tally()
        self.revisions = 0
        self.duplicates = 0
        self.late = 0
        self.dead_letters: Tally[str] = Tally()

    def add(self, output: Output) -> None:
        """Count what one record led to."""
        self.duplicates += output.duplicates
        self.late += output.late
        for candle in output.candles:
            self.candles[candle.interval] += 1
            self.revisions += candle.revision > 0

    def publish(self) -> None:
        """Hand everything to Prometheus and begin anew."""
        TRADES.inc(self.trades)
        GAPS.inc(self.gaps)
        REVISIONS.inc(self.revisions)
        DUPLICATES.inc(self.duplicates)
        LATE.inc(self.late)
        for interval, count in self.candles.items():
            CANDLES.labels(interval).inc(count)
        for reason, count in self.dead_letters.items():
            DEAD_LETTERS.labels(reason).inc(count)
        self.__init__()  # type: ignore[misc]
