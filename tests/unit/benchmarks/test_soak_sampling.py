"""What a soak reads of disks, metrics and the store."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.soak.run import grace_ms, missing_rows, start
from benchmarks.soak.sampling import on_disk, summed, topic_sizes


def test_counters_are_summed_over_their_labels_alone() -> None:
    metrics = (
        "# TYPE late_total counter\n"
        'late_total{product="A"} 2.0\n'
        'late_total{product="B"} 3.0\n'
        "late_total_created 9.0\n"
        "made_total 1.5e+06\n"
    )
    found = summed(metrics, {"late": "late_total", "made": "made_total", "none": "none_total"})
    assert found == {"late": 5.0, "made": 1_500_000.0, "none": 0.0}


def _write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_partitions_of_a_topic_are_summed(tmp_path: Path) -> None:
    _write(tmp_path / "trades-0/0.log", 40_000)
    _write(tmp_path / "trades-1/0.log", 80_000)
    _write(tmp_path / "changelog__group--trades--default-0/0.log", 8_000)
    _write(tmp_path / "__consumer_offsets-3/0.log", 8_000)
    _write(tmp_path / "meta.properties", 10)
    sizes = topic_sizes(tmp_path)
    assert set(sizes) == {"trades", "changelog", "broker's own"}
    assert sizes["trades"] >= 120_000


def test_size_on_disk_counts_blocks_not_lengths(tmp_path: Path) -> None:
    with (tmp_path / "index").open("wb") as file:
        file.truncate(10_000_000)  # as a broker's index: long, and nothing in it
    assert on_disk(tmp_path) < 1_000_000


def test_incomplete_and_absent_rows_are_missing() -> None:
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE ohlc_1 (candle_interval, complete, window_end)")
    rows = [("1m", 1, 60_000 * minute) for minute in (1, 2, 3) for _ in range(2)]
    rows[-1] = ("1m", 0, 180_000)
    store.executemany("INSERT INTO ohlc_1 VALUES (?, ?, ?)", [*rows, ("5m", 1, 120_000)])
    assert missing_rows(store, 2, 60_000, 180_000) == (1, 4)
    assert missing_rows(store, 3, 60_000, 180_000) == (3, 6)
    store.close()


def test_days_end_before_now_and_begin_on_a_full_hour() -> None:
    now = datetime(2026, 1, 9, 12, 34, tzinfo=UTC)
    begin = start(now, 7.0, 270.0)
    assert (begin.minute, begin.second) == (0, 0)
    spare = now - (begin + timedelta(days=7))
    # Two minutes until the first rows, at 270 times the speed.
    assert timedelta(hours=10) < spare < timedelta(hours=12)


def test_grace_is_a_fifth_of_a_second_of_a_fast_clock() -> None:
    assert grace_ms(1) == 1_000
    assert grace_ms(270) == 54_000
