"""What the feature writer counts."""

import contextlib
import time
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from ohlc_core.domain.candle import Candle
from ohlc_core.service.freshness import FRESHNESS_BUCKETS

READ = Counter("feature_writer_candles_read", "Candles read from the ohlc topic")
WRITTEN = Counter("feature_writer_candles_written", "Candles handed to the store and kept")
SKIPPED = Counter(
    "feature_writer_candles_skipped", "Candles not written: incomplete ones", ["reason"]
)
DEAD_LETTERS = Counter(
    "feature_writer_dead_letters", "Records sent to the dead-letter topic", ["reason"]
)
REMOVED = Counter(
    "feature_writer_removed_records",
    "Records the topic lost by retention before they were read: candles missing in the store",
)
BATCHES = Counter("feature_writer_batches", "Batches written and committed")
RETRIES = Counter("feature_writer_retries", "Attempts that failed for now", ["what"])
WRITE_SECONDS = Histogram(
    "feature_writer_write_seconds",
    "Seconds one batch took to be kept by the store",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
CANDLE_AGE = Histogram(
    "feature_writer_candle_age_seconds",
    "Live: from a window's end to its first candle kept by the store",
    buckets=FRESHNESS_BUCKETS,
)
NEWEST = Gauge(
    "feature_writer_newest_window_end_timestamp_seconds",
    "End of the newest window kept by the store",
    ["exchange", "product", "interval"],
)
BUFFERED = Gauge("feature_writer_buffered_candles", "Candles read and not yet in the store")
LAG = Gauge(
    "feature_writer_lag_records",
    "Records of the partition whose offsets are not committed; 0 means all of it is stored",
    ["partition"],
)
FEATURE_ROWS = Counter(
    "feature_writer_feature_rows", "Feature rows evaluated and stored", ["group"]
)
FEATURE_NULLS = Counter(
    "feature_writer_feature_nulls",
    "Rows in which a feature is null although its candles are whole",
    ["feature"],
)
HOLDING = Gauge("feature_writer_holding", "1 while reading is paused because a write failed")

# What ended before is history that is read, not a live candle.
_STARTED = time.time()
_newest: dict[tuple[str, str, str], float] = {}
for _reason in ("malformed", "invalid"):
    DEAD_LETTERS.labels(_reason)
for _reason in ("incomplete", "incomplete-revision"):
    SKIPPED.labels(_reason)


def kept(candles: Iterable[Candle], *, is_live: bool) -> None:
    """Note what the store has taken, and live how old it was by then."""
    now = time.time()
    for candle in candles:
        end = candle.window_end_ms / 1e3
        labels = (candle.exchange, candle.product_id, candle.interval)
        if end > _newest.get(labels, 0.0):
            _newest[labels] = end
            NEWEST.labels(*labels).set(end)
        if is_live and candle.revision == 0 and end > _STARTED:
            CANDLE_AGE.observe(max(0.0, now - end))


def set_lag(partition: int, records: int | None) -> None:
    """Note the partition's lag, where it is known."""
    if records is not None:
        LAG.labels(str(partition)).set(records)


def forget_lag(partition: int) -> None:
    """Stop reporting the lag of a partition that another member reads now."""
    with contextlib.suppress(KeyError):
        LAG.remove(str(partition))
