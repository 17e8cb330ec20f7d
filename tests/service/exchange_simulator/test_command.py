import signal
import socket
from pathlib import Path

import httpx
import pytest

from support.processes import Processes
from support.simulator import start_simulator_process
from support.wait import wait_until
from support.websocket_frames import FrameReader

pytestmark = pytest.mark.service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_arguments_it_is_a_lively_kraken_until_stopped(
    tmp_path: Path, number: signal.Signals
) -> None:
    simulator = start_simulator_process(tmp_path)
    assert simulator.script is not None
    with FrameReader(simulator.ws_url) as reader:
        params = {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": False}
        reader.send({"method": "subscribe", "params": params})
        reader.until(lambda message: message.get("channel") == "trade")
        simulator.script.signal(number)
        assert simulator.script.wait(10) == 0
    simulator.control.close()
    addresses = [line for line in simulator.script.log_lines() if "ws=" in line]
    assert len(addresses) == 1


def test_flags_win_over_the_environment(processes: Processes) -> None:
    script = processes(
        "exchange-simulator",
        {"SIMULATOR_SEED": "1", "PRODUCT_IDS": "ETH/USD", "SIMULATOR_CONTROL": "true"},
        ("--product-ids", "SOL/USD", "--control", "false", "--history", "0"),
    )
    line = script.wait_for_log("ws=")
    assert "control=" not in line
    rest = dict(word.split("=", 1) for word in line.split() if "=" in word)["rest"]
    assert set(httpx.get(f"{rest}/0/public/AssetPairs").json()["result"]) == {"SOLUSD"}
    assert httpx.get(f"{rest}/control/state").status_code == 404


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SIMULATOR_RATE": "30000"}, "SIMULATOR_RATE was '30000'"),
        ({"SIMULATOR_SPEED": "fast"}, "SIMULATOR_SPEED was 'fast'"),
        ({"SIMULATOR_SPEED": "max"}, "needs SIMULATOR_TRADES_FILE"),
        ({"SIMULATOR_START": "tomorrow"}, "SIMULATOR_START was 'tomorrow'"),
        ({"SIMULATOR_START": "2999-01-01"}, "in the future"),
        ({"SIMULATOR_RATE": "20000"}, "a shorter SIMULATOR_HISTORY"),
        ({"SIMULATOR_TRADES_FILE": "none.json"}, "no such file"),
        ({"SIMULATOR_FAULTS": "none.json"}, "SIMULATOR_FAULTS was 'none.json'"),
        ({"EXCHANGE": "mtgox"}, "EXCHANGE was 'mtgox'"),
        ({"PRODUCT_IDS": "BTC"}, "PRODUCT_IDS was 'BTC'"),
    ],
)
def test_wrong_settings_end_with_one_line_and_code_2(
    processes: Processes, settings: dict[str, str], words: str
) -> None:
    script = processes("exchange-simulator", settings)
    assert script.wait(20) == 2
    [line] = script.log_lines()
    assert words in line


def test_a_taken_port_is_reported_and_ends_with_code_1(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        script = processes("exchange-simulator", {}, ("--port", port, "--history", "0"))
        assert script.wait(20) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in script.log()


def test_health_is_the_markets_progress(processes: Processes) -> None:
    script = processes("exchange-simulator", {"METRICS_PORT": "0", "SIMULATOR_HISTORY": "0"})
    address = script.wait_for_log("metrics and health at ").split()[-1]
    script.wait_for_log("ws=")
    parts = wait_until(lambda: httpx.get(f"{address}health").json()["parts"], 10, "parts")
    assert parts["market"]["healthy"]
