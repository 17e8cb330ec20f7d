"""``make demo``: the whole pipeline on this machine, which leaves nothing behind when it ends."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from local_stack.brokers import kafka_jars, noida
from support.processes import Processes, Script
from support.wait import wait_until

pytestmark = pytest.mark.e2e

_SHORT = {"OHLC_INTERVALS": "2s,10s", "SIMULATOR_HISTORY": "1m", "START_FROM": "now"}
_START_SECONDS = 90


@pytest.fixture(params=["kafka", "noida"])
def kind(request: pytest.FixtureRequest) -> str:
    kind = str(request.param)
    lacking = kafka_jars.missing() if kind == "kafka" else noida.missing()
    if lacking:
        pytest.skip(lacking)
    return kind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the fixture `processes` runs its scripts."""
    return tmp_path / "processes"


@pytest.fixture(autouse=True)
def _nothing_is_left(folder: Path) -> Iterator[None]:
    yield
    assert _running_in(folder) == []


def _running_in(folder: Path) -> list[str]:
    """Return the processes that work in the folder, which all of a demo's do."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(
                folder
            ):
                found.append(" ".join(process.cmdline())[:200])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _candles_in_store(folder: Path) -> int:
    store = folder / "run" / "demo" / "features.db"
    if not store.exists():
        return 0
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        try:
            return int(database.execute("SELECT count(*) FROM ohlc_1").fetchone()[0])
        except sqlite3.OperationalError:  # the table is not made yet
            return 0
        finally:
            database.rollback()


def _shown(page: str) -> dict[str, Any] | None:
    try:
        now: dict[str, Any] = httpx.get(f"{page}api/now", trust_env=False).json()
    except httpx.ConnectError:  # the dashboard still starts
        return None
    is_live = now.get("state") == "live" and bool(now["run"]["simulated"])
    return now if is_live else None


def _closed_candle(demo: Script) -> str:
    return demo.wait_for_log(" open ", _START_SECONDS)


def test_candles_close_into_the_store_and_ctrl_c_ends_all(
    processes: Processes, folder: Path, kind: str
) -> None:
    demo = processes("local-stack", {"LOCAL_BROKER": kind, **_SHORT}, args=("demo",))
    assert "kraken:" in _closed_candle(demo)
    wait_until(lambda: _candles_in_store(folder) > 0, 30, "candles in the store")
    for shown in (f"({kind}: asked for)", "/run/demo/features.db", "/run/demo/logs"):
        assert shown in demo.log()

    page = demo.wait_for_log("dashboard   http://").split()[-1]
    now = wait_until(lambda: _shown(page), 30, "the dashboard shows the simulated market live")
    assert {row["name"] for row in now["services"]} > {"trade-producer", "feature-writer"}

    consumer = processes("local-stack", _SHORT, args=("consume", "ohlc"))
    record = json.loads(consumer.wait_for_log('"type":"candle"', 30))
    assert record["exchange"] == "kraken"
    consumer.signal(signal.SIGINT)
    assert consumer.wait(20) == 0

    nope = processes("local-stack", _SHORT, args=("consume", "nope"))
    assert nope.wait(30) == 1
    assert "there is no topic nope; there are: ohlc, ohlc.dlq, trades, trades.dlq" in nope.log()
    second = processes("local-stack", _SHORT, args=("demo",))
    assert second.wait(15) == 1
    assert "another run holds" in second.log()
    status = processes("local-stack", {}, args=("status",))
    assert status.wait(30) == 0, status.log()
    for service in ("trade-producer", "ohlc-aggregator", "feature-writer", "exchange-simulator"):
        assert service in status.log()
    assert "group feature-writer: " in status.log()

    demo.signal(signal.SIGINT)
    assert demo.wait(60) == 0
    assert demo.log_lines()[-1] == "stopped; nothing is left running"
    assert "did not stop cleanly" not in demo.log()
    assert _running_in(folder) == []


def test_a_killed_demo_leaves_nothing_and_the_next_one_works(
    processes: Processes, folder: Path, kind: str
) -> None:
    settings = {"LOCAL_BROKER": kind, **_SHORT}
    killed = processes("local-stack", settings, args=("demo",))
    _closed_candle(killed)
    # Not by ManagedProcess.kill, which takes the children along.
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(20) == -signal.SIGKILL
    # The next one waits for the rest of the last one itself.
    demo = processes("local-stack", settings, args=("demo",))
    _closed_candle(demo)
    demo.signal(signal.SIGTERM)
    assert demo.wait(60) == 0


def test_a_dead_service_is_reported_and_started_again(processes: Processes, folder: Path) -> None:
    demo = processes("local-stack", {"LOCAL_BROKER": "noida", **_SHORT}, args=("demo",))
    _closed_candle(demo)
    published = json.loads((folder / "run" / "demo" / "stack.json").read_text())
    os.kill(published["services"]["feature-writer"]["pid"], signal.SIGKILL)
    demo.wait_for_log("feature-writer ended by signal 9, starting it again in 1 s", 20)
    demo.wait_for_log("feature-writer runs again", 20)
    stored = _candles_in_store(folder)
    wait_until(lambda: _candles_in_store(folder) > stored, 60, "more candles in the store")
    demo.signal(signal.SIGINT)
    assert demo.wait(60) == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_demo_ends_with_its_make(folder: Path, how: signal.Signals) -> None:
    folder.mkdir()
    script = Path(sys.executable).with_name("local-stack")
    makefile = f"demo:\n\t@exec {script} demo --stop-with-parent\n"
    (folder / "Makefile").write_text(makefile)
    settings = {**os.environ, "LOCAL_BROKER": "noida", **_SHORT}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(["make", "demo"], cwd=folder, env=settings, stdout=log) as make,
    ):
        wait_until(lambda: "Ctrl-C stops" in (folder / "log").read_text(), 60, "the demo's start")
        # To make alone: a terminal's Ctrl-C would go to both.
        make.send_signal(how)
        make.wait(60)
    wait_until(lambda: _running_in(folder) == [], 60, "the demo to end with what started it")
    assert "stopped; nothing is left running" in (folder / "log").read_text()


def test_a_wrong_broker_is_named(processes: Processes) -> None:
    demo = processes("local-stack", {"LOCAL_BROKER": "rabbit"}, args=("demo",))
    assert demo.wait(20) == 2
    assert "LOCAL_BROKER was 'rabbit'" in demo.log()
