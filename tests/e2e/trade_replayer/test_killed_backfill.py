"""A backfill killed at any point: the same command goes on, ends, proves itself and cleans up."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from local_stack.brokers import LocalBroker
from support.processes import Processes
from support.wait import wait_until

pytestmark = pytest.mark.e2e

T0 = 1_672_531_200  # 2023-01-01
TRADES = 600_000


def test_a_killed_backfill_goes_on_and_leaves_nothing_behind(
    broker: LocalBroker, processes: Processes, tmp_path: Path, unique_run_id: str
) -> None:
    history = tmp_path / "XBTUSD.csv"
    with history.open("w") as file:
        for number in range(TRADES):
            second = T0 + number * 0.25
            file.write(f"{90 + number % 97}.5,0.125,{second:.6f},s,m,,{number + 1}\n")
    store = tmp_path / "features.db"
    settings = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "FEATURE_STORE_URL": f"sqlite:///{store}",
        "RUN_ID": unique_run_id,
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(history),
        "REPLAY_BATCH": "20",
        "PRODUCT_IDS": "BTC/USD",
        "FROM_DAY": "2023-01-01",
        "TO_DAY": "2023-01-03",
        "EMPTY_CANDLES": "skip",
        "COMMIT_INTERVAL_SECONDS": "0.5",
    }
    kills = 0
    for enough in (1, 600, 1_500):
        run = processes("local-stack", settings, args=("backfill",))
        wait_until(lambda: rows(store) >= enough or not run.is_running, 120, f"{enough} rows")  # noqa: B023
        kills += run.is_running
        run.kill()
    assert kills, "no run could be killed in time"
    last = processes("local-stack", settings, args=("backfill",))
    assert last.wait(180) == 0, last.log()
    assert f"{TRADES:,} trades, 3,042 candles verified by count and checksum" in last.log()
    # 150,000 s are 2,500 minutes, 500 five minutes, and 42 hours, the last one begun.
    assert rows(store) == 2_500 + 500 + 42
    admin = AdminClient({"bootstrap.servers": broker.address})
    wait_until(
        lambda: (
            not [name for name in admin.list_topics(timeout=10).topics if unique_run_id in name]
        ),
        30,
        "the run's topics to be gone",
    )
    groups = admin.list_consumer_groups().result(10).valid
    assert not [group.group_id for group in groups if unique_run_id in group.group_id]


def rows(store: Path) -> int:
    if not store.exists():
        return 0
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM ohlc_1").fetchone()[0])
        except sqlite3.OperationalError:  # the table is not made yet
            return 0
