"""``make backfill`` ends by itself with every candle in the store, also after being killed."""

import os
import random
import signal
import sqlite3
import zipfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from local_stack.brokers import kafka_jars
from support.processes import Processes, Script

pytestmark = pytest.mark.e2e

_DAY_MS = 1_690_848_000_000  # 2023-08-01
_TRADES = 60_000
_SECONDS = 4 * 3_600
_END_SECONDS = 180

_COLUMNS = "candle_interval, window_start, open, high, low, close, volume, trade_count"
_EXPECTED = """
    SELECT '{interval}', timestamp_us // 1000 // {ms} * {ms} AS start,
        arg_min(price, trade_id), max(price), min(price), arg_max(price, trade_id),
        sum(quantity), count(*)
    FROM read_csv('{path}', types={{'price': 'DECIMAL(18,1)', 'quantity': 'DECIMAL(18,8)'}})
    GROUP BY start
"""
_INTERVALS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    """A file of trades over the first hours of 2023-08-01, in order, several in some instants."""
    numbers = random.Random(7)
    times = sorted(numbers.randrange(_SECONDS * 1_000) for _ in range(_TRADES))
    lines = ["trade_id,timestamp_us,price,quantity,side"]
    for number, time_ms in enumerate(times, start=1_000):
        price = Decimal(numbers.randrange(290_000, 300_000)).scaleb(-1)
        quantity = Decimal(numbers.randrange(1, 10**9)).scaleb(-8)
        side = numbers.choice(["buy", "sell"])
        lines.append(f"{number},{(_DAY_MS + time_ms) * 1_000},{price},{quantity:f},{side}")
    path = tmp_path / "BTCUSD.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _settings(trades: Path) -> dict[str, str]:
    return {
        "LOCAL_BROKER": "kafka",
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(trades),
        "PRODUCT_IDS": "BTC/USD",
        "FROM_DAY": "2023-08-01",
        "TO_DAY": "2023-08-02",
        "EMPTY_CANDLES": "skip",
    }


def _expected(trades: Path) -> list[tuple[object, ...]]:
    queries = (
        _EXPECTED.format(interval=interval, ms=ms, path=trades)
        for interval, ms in _INTERVALS.items()
    )
    with duckdb.connect(":memory:") as database:
        rows = database.sql(" UNION ALL ".join(queries)).fetchall()
    # The store's columns are doubles, and a double is what an exact sum rounds to.
    return sorted((row[0], row[1], *(float(value) for value in row[2:7]), row[7]) for row in rows)


def _stored(folder: Path) -> list[tuple[object, ...]]:
    store = sqlite3.connect(f"file:{folder / 'data' / 'features.db'}?mode=ro", uri=True)
    try:
        rows = store.execute(f"SELECT {_COLUMNS} FROM ohlc_1 WHERE complete").fetchall()
    finally:
        store.close()
    return sorted(tuple(row) for row in rows)


def _backfill(processes: Processes, trades: Path) -> Script:
    return processes("local-stack", _settings(trades), args=("backfill",))


def test_a_killed_backfill_goes_on_and_ends_with_every_candle(
    processes: Processes, trades: Path, tmp_path: Path
) -> None:
    if lacking := kafka_jars.missing():
        pytest.skip(lacking)
    killed = _backfill(processes, trades)
    killed.wait_for_log("all trades are replayed", _END_SECONDS)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(20) == -signal.SIGKILL

    backfill = _backfill(processes, trades)
    assert backfill.wait(_END_SECONDS) == 0, backfill.log()
    assert "an earlier run had replayed it completely" in backfill.log()
    assert backfill.log_lines()[-1].endswith("is complete")

    folder = tmp_path / "processes"
    assert _stored(folder) == _expected(trades)
    run = next((folder / "run").glob("backfill-*"))
    assert sorted(path.name for path in run.iterdir()) == ["lock", "logs"]


def test_wrong_days_are_reported_before_anything_is_started(processes: Processes) -> None:
    backfill = processes(
        "local-stack", {"FROM_DAY": "2023-08-02", "TO_DAY": "2023-08-01"}, args=("backfill",)
    )
    assert backfill.wait(30) == 2
    assert "TO_DAY was 2023-08-01, not after FROM_DAY 2023-08-02" in backfill.log()


def test_interrupted_backfill_begins_again_when_its_files_have_changed(
    processes: Processes, trades: Path, tmp_path: Path
) -> None:
    if lacking := kafka_jars.missing():
        pytest.skip(lacking)
    lines = trades.read_text().splitlines()
    # Later rows first, and far behind the rest one row that belongs between them.
    cut = lines[:40_001] + lines[-1:] + lines[40_001:-1]
    trades.write_text("\n".join(cut) + "\n")
    failed = _backfill(processes, trades)
    assert failed.wait(_END_SECONDS) == 1, failed.log()
    assert "BTCUSD.csv: its trades are not in order" in failed.log()

    trades.write_text("\n".join(lines) + "\n")
    again = _backfill(processes, trades)
    assert again.wait(_END_SECONDS) == 0, again.log()
    assert "the files at REPLAY_PATH changed since this backfill was begun" in again.log()
    assert _stored(tmp_path / "processes") == _expected(trades)


def test_what_was_not_used_is_in_the_exit_code_until_it_is_put_right(
    processes: Processes, trades: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    lines = trades.read_text().splitlines()
    (folder / "BTCUSD-b.csv").write_text("\n".join([lines[0], *lines[201:401]]) + "\n")
    (folder / "BTCUSD-a.zip").write_bytes(b"PK, but cut")
    settings = _settings(folder)
    broken = processes("local-stack", settings, args=("backfill",))
    assert broken.wait(_END_SECONDS) == 1, broken.log()
    assert "left out: BTCUSD-a.zip: is damaged" in broken.log()
    assert "1 files were left out (BTCUSD-a.zip: is damaged" in broken.log()

    with zipfile.ZipFile(folder / "BTCUSD-a.zip", "w") as archive:
        archive.writestr("BTCUSD-a.csv", "\n".join(lines[:301]) + "\n")
    whole = processes("local-stack", settings, args=("backfill",))
    assert whole.wait(_END_SECONDS) == 0, whole.log()
    used = trades.parent / "used" / "BTCUSD.csv"
    used.parent.mkdir()
    used.write_text("\n".join(lines[:401]) + "\n")
    assert _stored(tmp_path / "processes") == _expected(used)
