"""``make run`` without a network, and ``make debug``."""

import json
import signal

import pytest

from local_stack.brokers import noida
from local_stack.ports import free_port
from support.processes import Processes
from support.simulator import start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.e2e


def test_an_unreachable_exchange_is_told_in_one_line_and_tried_again(
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
    told = [line for line in run.log_lines() if line.startswith("trade-producer: ")]
    assert len(told) <= 2, told
    assert any(nowhere in line for line in told), told
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
