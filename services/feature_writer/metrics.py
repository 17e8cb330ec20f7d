"""What the feature writer counts."""

from prometheus_client import Counter, Gauge, Histogram

READ = Counter("feature_writer_candles_read", "Candles read from the ohlc topic")
WRITTEN = Counter("feature_writer_candles_written", "Candles handed to the store and kept")
SKIPPED = Counter(
    "feature_writer_candles_skipped", "Candles not written: incomplete ones", ["reason"]
)
DEAD_LETTERS = Counter(
    "feature_writer_dead_letters", "Records sent to the dead-letter topic", ["reason"]
)
BATCHES = Counter("feature_writer_batches", "Batches written and committed")
RETRIES = Counter("feature_writer_retries", "Attempts that failed for now", ["what"])
WRITE_SECONDS = Histogram(
    "feature_writer_write_seconds",
    "Seconds one batch took to be kept by the store",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
BUFFERED = Gauge("feature_writer_buffered_candles", "Candles read and not yet in the store")
LAG = Gauge(
    "feature_writer_lag_records",
    "Records of the partition whose offsets are not committed; 0 means all of it is stored",
    ["partition"],
)
HOLDING = Gauge("feature_writer_holding", "1 while reading is paused because a write failed")


def set_lag(partition: int, records: int | None) -> None:
    """Note the partition's lag, where it is known."""
    if records is not None:
        LAG.labels(str(partition)).set(records)


def forget_lag(partition: int) -> None:
    """Stop telling the lag of a partition that another member reads now."""
    LAG.remove(str(partition))
