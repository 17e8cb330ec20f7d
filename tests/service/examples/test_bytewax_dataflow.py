"""The Bytewax dataflow gives the aggregator's bytes, killed and resumed in the middle."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.messages.codec import decode_candle, encode_candle
from ohlc_core.messages.topics import TopicNames
from support.consumer_groups import wait_for_no_lag
from support.kafka import read_topic
from support.processes import Processes
from support.wait import wait_until

pytest.importorskip("bytewax", reason="bytewax is not installed")
pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_672_531_200  # 2023-01-01
TRADES = 60_000
Start = Callable[[Path, dict[str, str]], "subprocess.Popen[bytes]"]


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Start]:
    """Start the dataflow, its output into a file, with a recovery store of this test's own."""
    running: list[subprocess.Popen[bytes]] = []
    recovery = tmp_path / "recovery"
    recovery.mkdir()
    made = [sys.executable, "-m", "bytewax.recovery", str(recovery), "1"]
    subprocess.run(made, check=True, timeout=60)

    def start(out: Path, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "bytewax.run", "-r", str(recovery), "-s", "0", "-b", "0"]
        command.append("examples.bytewax_dataflow:flow")
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings}
        with out.open("ab") as file, (tmp_path / "flow.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=file, stderr=log)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def history(folder: Path) -> dict[str, str]:
    """Write a day of trades with gaps of a minute and more, and return what replays them."""
    path = folder / "XBTUSD.csv"
    with path.open("w", encoding="ascii") as file:
        for number in range(TRADES):
            second = T0 + number * 86_400 / TRADES + (number // 5_000) * 90
            if second < T0 + 86_400:
                price, quantity = 90_000 + number % 701, 1 + number % 97
                side = "bs"[number % 2]
                file.write(f"{price}.5,0.{quantity:04},{second:.6f},{side},m,,{number + 1}\n")
    return {
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(path),
        "PRODUCT_IDS": "BTC/USD",
        "FROM_DAY": "2023-01-01",
        "TO_DAY": "2023-01-02",
        "OHLC_INTERVALS": "1m,5m,1h",
        "REPLAY_BATCH": "20",
    }


def aggregated(
    broker: LocalBroker, topics: TopicNames, processes: Processes, settings: dict[str, str]
) -> set[bytes]:
    """Replay the history onto the topic and return the records that the aggregator makes of it."""
    env = {"KAFKA_BROKER_ADDRESS": broker.address, "RUN_ID": topics.run_id, **settings}
    replayer = processes("trade-replayer", env)
    assert replayer.wait(60) == 0, replayer.log()
    aggregator = processes("ohlc-aggregator", env)
    wait_for_no_lag(broker.address, topics.aggregator_group, topics.trades, 60, aggregator)
    assert aggregator.stop() == 0, aggregator.log()
    return {record.value or b"" for record in read_topic(broker.address, topics.ohlc)}


def lines(out: Path) -> list[bytes]:
    """Return the whole lines of a file; a killed process may have left half of one."""
    return [line for line in out.read_bytes().split(b"\n")[:-1] if line.endswith(b"}")]


def seen(outs: list[Path]) -> set[bytes]:
    """Return the lines of all runs so far."""
    return {line for out in outs if out.exists() for line in lines(out)}


def test_killed_and_resumed_dataflow_gives_the_aggregators_bytes(
    broker: LocalBroker,
    unique_topics: TopicNames,
    processes: Processes,
    flow: Start,
    tmp_path: Path,
) -> None:
    settings = history(tmp_path)
    expected = aggregated(broker, unique_topics, processes, settings)
    assert len(expected) > 1_440
    env = {
        "FLOW": "debug",
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": unique_topics.run_id,
        **settings,
    }
    outs = [tmp_path / f"candles-{number}.jsonl" for number in range(3)]
    for out, share in zip(outs, (0.2, 0.6), strict=False):
        killed = flow(out, env)
        wait_until(
            lambda: len(seen(outs)) > share * len(expected) or killed.poll() is not None,  # noqa: B023
            60,
            "candles of the dataflow",
            every=0.005,
        )
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(seen(outs)) < len(expected)
    resumed = flow(outs[2], env)
    wait_until(lambda: seen(outs) >= expected or resumed.poll() is not None, 60, "every candle")
    assert seen(outs) == expected, (tmp_path / "flow.log").read_text()
    begin = min(decode_candle(line).window_start_ms for line in lines(outs[2]))
    assert begin > T0 * 1_000 + 3_600_000, "it went on from a snapshot"


def test_backfill_without_kafka_stores_what_the_services_do(
    broker: LocalBroker,
    unique_topics: TopicNames,
    processes: Processes,
    flow: Start,
    tmp_path: Path,
) -> None:
    settings = history(tmp_path)
    expected = aggregated(broker, unique_topics, processes, settings)
    store = tmp_path / "features.db"
    env = {"FLOW": "backfill", "FEATURE_STORE_URL": f"sqlite:///{store}", **settings}
    out = tmp_path / "out"
    killed = flow(out, env)
    wait_until(lambda: _count(store) > 100 or killed.poll() is not None, 60, "rows", every=0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    resumed = flow(out, env)
    assert resumed.wait(120) == 0, (tmp_path / "flow.log").read_text()
    complete = [each for each in map(decode_candle, expected) if each.complete]
    with closing(sqlite3.connect(store)) as database:
        rows = database.execute(
            "SELECT candle_interval, window_start, close, volume, trade_count, origin FROM ohlc_1"
        ).fetchall()
    assert sorted(rows) == sorted(
        (
            each.interval,
            each.window_start_ms,
            float(each.close),
            float(each.volume),
            each.trade_count,
            "backfill",
        )
        for each in complete
    )
    assert all(encode_candle(each) in expected for each in complete)


def _count(store: Path) -> int:
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM ohlc_1").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
