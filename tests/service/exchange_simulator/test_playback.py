import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ohlc_exchanges.base import TradesSeen
from ohlc_exchanges.kraken.adapter import Kraken
from support.market_data import market_file
from support.simulator import Simulator, start_simulator
from support.wait import wait_until
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service

SECOND = 10**9
START = 1_790_000_000


def trades_file(folder: Path, seconds: list[float]) -> str:
    rows = [
        ["84098.40000", "0.01000000", START + at, "b", "l", "", 700 + number]
        for number, at in enumerate(seconds)
    ]
    path = folder / "Trades.json"
    path.write_text(json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": "0"}}))
    return str(path)


def subscribe(reader: FrameReader, *symbols: str, snapshot: bool = False) -> None:
    params = {"channel": "trade", "symbol": list(symbols), "snapshot": snapshot}
    reader.send({"method": "subscribe", "params": params})


def read_ids(reader: FrameReader, count: int) -> list[int]:
    ids: list[int] = []
    while len(ids) < count:
        message = reader.next()
        if message.get("channel") == "trade":
            ids += [row["trade_id"] for row in message["data"]]
    return ids


def test_held_playback_loses_no_recorded_trade_at_full_speed() -> None:
    path = market_file("kraken/rest_official/dev_cut/Trades_before_21Z.json")
    recorded = json.loads(path.read_bytes())["result"]["XBTUSDT"]
    adapter = Kraken()
    with (
        start_simulator(
            simulator_trades_file=str(path), simulator_speed="max", simulator_hold="first"
        ) as simulator,
        FrameReader(simulator.ws_url) as reader,
    ):
        assert simulator.control.state()["held"]
        subscribe(reader, "BTC/USDT", snapshot=True)
        ids: list[str] = []
        while len(ids) < len(recorded):
            for event in adapter.read_frame(reader.next_text()):
                if isinstance(event, TradesSeen):
                    ids += [trade.trade_id for trade in event.trades]
        state = simulator.control.wait_exhausted()
    assert ids == [str(row[6]) for row in recorded]
    assert state["live_trades"] == len(recorded)
    assert not state["held"]


def test_hold_all_waits_for_every_product() -> None:
    with (
        start_simulator(simulator_hold="all", simulator_history="0") as simulator,
        FrameReader(simulator.ws_url) as reader,
    ):
        subscribe(reader, "BTC/USD")
        simulator.control.wait_subscribed("BTC/USD")
        assert not simulator.control.state()["running"]
        subscribe(reader, "ETH/USD", "LTC/USD")
        simulator.control.wait_subscribed("LTC/USD")
        assert simulator.control.state()["running"]


def test_clock_starts_at_the_first_trade_and_goes_on_after_the_last(tmp_path: Path) -> None:
    path = trades_file(tmp_path, [0, 0.2, 30])
    with start_simulator(simulator_trades_file=path, simulator_speed="100") as simulator:
        state = simulator.control.wait_exhausted()
        assert state["start_ns"] == START * SECOND - 1
        assert state["clock_ns"] >= (START + 30) * SECOND
        later = state["clock_ns"]
        wait_until(lambda: simulator.control.state()["clock_ns"] > later, 5, "time goes on")
        assert simulator.control.ids("BTC/USD") == [700, 701, 702]


def test_history_trades_are_past_at_the_start(tmp_path: Path) -> None:
    path = trades_file(tmp_path, [0, 1, 2, 3, 1000])
    with start_simulator(
        simulator_trades_file=path, simulator_history_trades=3, simulator_hold="first"
    ) as simulator:
        assert simulator.control.ids("BTC/USD") == [700, 701, 702]
        with FrameReader(simulator.ws_url) as reader:
            subscribe(reader, "BTC/USD", snapshot=True)
            assert read_ids(reader, 4) == [700, 701, 702, 703]
        assert simulator.control.state()["live_trades"] == 1


def test_advancing_a_paused_clock_lets_trades_happen(tmp_path: Path) -> None:
    path = trades_file(tmp_path, [0, 10, 20, 30])
    with start_simulator(simulator_trades_file=path, simulator_history_trades=1) as simulator:
        simulator.control.pause()
        with FrameReader(simulator.ws_url) as reader:
            subscribe(reader, "BTC/USD")
            simulator.control.wait_subscribed("BTC/USD")
            before = simulator.control.state()["clock_ns"]
            simulator.control.advance(20)
            assert read_ids(reader, 2) == [701, 702]
        assert simulator.control.state()["clock_ns"] == before + 20 * SECOND
        assert not simulator.control.state()["exhausted"]


def test_truth_can_be_asked_by_ids(tmp_path: Path) -> None:
    path = trades_file(tmp_path, [0, 1, 2, 3, 4])
    with start_simulator(simulator_trades_file=path, simulator_speed="max") as simulator:
        simulator.control.wait_exhausted()
        trades = simulator.control.trades("BTC/USD", from_id=701, to_id=703)
        response = httpx.get(f"{simulator.rest_url}/control/trades?product=NO/NE")
    assert [trade["trade_id"] for trade in trades] == [701, 702, 703]
    assert trades[0] == {
        "trade_id": 701,
        "price": "84098.4",
        "quantity": "0.01000000",
        "side": "buy",
        "order_type": "limit",
        "time_ns": (START + 1) * SECOND,
        "withheld": False,
    }
    assert response.status_code == 404
    assert "BTC/USD" in response.json()["error"]


def play_scripted(tmp_path: Path, seed: int) -> list[Any]:
    """Play 600 trades with a script of faults; return what the client saw, in order."""
    path = trades_file(tmp_path, [number // 4 for number in range(600)])
    script = tmp_path / "faults.json"
    script.write_text(
        json.dumps(
            [
                {"fault": {"fault": "reorder", "frames": 2}, "at_trades": 100},
                {"fault": {"fault": "skip", "trades": 3}, "at_trades": 250},
                {"fault": {"fault": "repeat"}, "at_trades": 300},
                {"fault": {"fault": "garbage"}, "at_trades": 420},
            ]
        )
    )
    with (
        start_simulator(
            simulator_trades_file=path,
            simulator_speed="max",
            simulator_hold="first",
            simulator_faults=str(script),
            simulator_seed=seed,
        ) as simulator,
        FrameReader(simulator.ws_url) as reader,
    ):
        subscribe(reader, "BTC/USD")
        while not reader.texts or str(reader.texts[-1]).find('"trade_id":1299') < 0:
            reader.next_text()
        assert simulator.control.state()["faults_dealt"] == {
            "reorder": 2, "skip": 3, "repeat": 1, "garbage": 1
        }  # fmt: skip
    return [text for text in reader.texts if '"trade_id"' in str(text) or "html" in str(text)]


def test_a_script_of_faults_repeats_exactly(tmp_path: Path) -> None:
    first = play_scripted(tmp_path, seed=1)
    assert first == play_scripted(tmp_path, seed=1)
    assert first != play_scripted(tmp_path, seed=2)


def test_scripted_skips_hit_exactly_their_trades(tmp_path: Path) -> None:
    seen = {
        row["trade_id"]
        for text in play_scripted(tmp_path, seed=1)
        if not str(text).startswith("<")
        for row in json.loads(text)["data"]
    }
    assert set(range(700, 1300)) - seen == {950, 951, 952}


def collect(simulator: Simulator, count: int) -> list[Message]:
    with FrameReader(simulator.ws_url) as reader:
        subscribe(reader, "BTC/USD", snapshot=True)
        rows: list[Message] = []
        while len(rows) < count:
            message = reader.next()
            if message.get("channel") == "trade":
                rows += message["data"]
    return rows[:count]


def test_same_seed_and_start_print_the_same_live_trades() -> None:
    settings = {
        "simulator_start": "2026-09-26T18:00:00",
        "simulator_seed": 5,
        "simulator_history": "1m",
        "simulator_rate": 100,
        "simulator_speed": "10",
        "simulator_hold": "first",
    }
    runs = []
    for _ in range(2):
        with start_simulator(**settings) as simulator:
            runs.append(collect(simulator, 150))
    assert runs[0] == runs[1]


def test_random_faults_are_dealt_by_the_seed() -> None:
    with start_simulator(
        simulator_random_faults="5/1000000", simulator_seed=4, simulator_history="0"
    ) as simulator:
        pending = simulator.control.state()["faults_pending"]
    with start_simulator(
        simulator_random_faults="5/1000000", simulator_seed=4, simulator_history="0"
    ) as simulator:
        assert simulator.control.state()["faults_pending"] == pending
    assert len(pending) == 5
