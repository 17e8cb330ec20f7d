"""``make run`` without a network, and ``make debug``."""

import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from local_stack.brokers import noida
from local_stack.ports import free_port
from support.processes import Processes
from support.simulator import start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.e2e


def test_an_unreachable_exchange_is_reported_in_one_line_and_tried_again(
    processes: Processes,
) -> None:
    if lacking := noida.missing():
        pytest.skip(lacking)
    nowhere = f"127.0.0.1:{free_port()}"
    settings = {
        "LOCAL_BROKER": "noida",
        "EXCHANGE_WS_URL": f"ws://{nowhere}/v2",
        "EXCHANGE_REST_URL": f"http://{nowhere}",
        "START_FROM": "now",
        "CONNECT_BACKOFF_SECONDS": "0.2",
    }
    run = processes("local-stack", settings, args=("run",))
    run.wait_for_log("trade-producer: ", 60)
    log = run.log_file.parent / "run" / "run" / "logs" / "trade-producer.log"
    wait_until(lambda: log.read_text().count(" WARNING ") >= 3, 60, "further attempts")
    shown = [line for line in run.log_lines() if line.startswith("trade-producer: ")]
    assert len(shown) <= 2, shown
    assert any(nowhere in line for line in shown), shown
    run.signal(signal.SIGINT)
    assert run.wait(60) == 0


def test_debug_shows_what_would_be_stored_and_stores_nothing(processes: Processes) -> None:
    if lacking := noida.missing():
        pytest.skip(lacking)
    with start_simulator(simulator_history="1m") as simulator:
        settings = {
            "LOCAL_BROKER": "noida",
            "OHLC_INTERVALS": "2s",
            "EXCHANGE_WS_URL": simulator.ws_url,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "START_FROM": "now",
        }
        debug = processes("local-stack", settings, args=("debug",))
        shown = json.loads(debug.wait_for_log('"interval":"2s"', 90))
        assert shown["type"] == "candle"
        debug.signal(signal.SIGINT)
        assert debug.wait(60) == 0
    assert "store       console" in debug.log()
    assert not list(debug.log_file.parent.rglob("*.db"))


def test_run_beside_demo_leaves_its_store_alone(processes: Processes) -> None:
    if lacking := noida.missing():
        pytest.skip(lacking)
    short = {"LOCAL_BROKER": "noida", "OHLC_INTERVALS": "1s", "START_FROM": "now"}
    demo = processes("local-stack", {**short, "SIMULATOR_HISTORY": "1m"}, args=("demo",))
    demo.wait_for_log(" open ", 90)
    folder = demo.log_file.parent
    with start_simulator(simulator_history="1m") as simulator:
        real = {"EXCHANGE_WS_URL": simulator.ws_url, "EXCHANGE_REST_URL": simulator.rest_url}
        run = processes("local-stack", {**short, **real}, args=("run",))
        run.wait_for_log(" open ", 90)
        os.kill(_pid_of(folder, "demo", "feature-writer"), signal.SIGKILL)
        demo.wait_for_log("feature-writer runs again", 20)
        simulated, real_rows = folder / "run/demo/features.db", folder / "data/features.db"
        before = _rows(simulated)
        wait_until(lambda: _rows(simulated) > before and _rows(real_rows) > 0, 60, "candles")
        assert _markets(simulated) == ["simulated"]
        assert _markets(real_rows) == ["localhost"]

        url = f"sqlite:///{real_rows}"
        mixing = processes("local-stack", {**short, "FEATURE_STORE_URL": url}, args=("demo",))
        assert mixing.wait(60) in (1, 2)
        features = processes("features", {}, args=("candles", "--interval", "1s"))
        assert features.wait(60) == 0, features.log()
        assert "reading the store of the running run" in features.log()
        for stack in (run, demo):
            stack.signal(signal.SIGINT)
            assert stack.wait(60) == 0, stack.log()
    mixing = processes("local-stack", {**short, "FEATURE_STORE_URL": url}, args=("demo",))
    assert mixing.wait(60) == 2
    assert "holds candles of localhost and would get those of simulated" in mixing.log()


def _pid_of(folder: Path, run: str, service: str) -> int:
    stack = json.loads((folder / "run" / run / "stack.json").read_text())
    return int(stack["services"][service]["pid"])


def _rows(store: Path) -> int:
    return int(_selected(store, "SELECT count(*) FROM ohlc_1")[0][0])


def _markets(store: Path) -> list[str]:
    return [row[0] for row in _selected(store, "SELECT value FROM store_metadata")]


def _selected(store: Path, query: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()
