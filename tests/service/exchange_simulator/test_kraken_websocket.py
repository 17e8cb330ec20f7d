from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import websocket

from ohlc_exchanges.base import Alive, Subscribed, SubscriptionRejected, TradesSeen
from ohlc_exchanges.kraken.adapter import Kraken
from support.simulator import Simulator, start_simulator
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def lively() -> Iterator[Simulator]:
    with start_simulator(simulator_rate=200, simulator_history="2m") as simulator:
        yield simulator


def subscribe(*symbols: str, snapshot: bool = True) -> Message:
    params = {"channel": "trade", "symbol": list(symbols), "snapshot": snapshot}
    return {"method": "subscribe", "params": params, "req_id": 7}


def is_update(message: Message) -> bool:
    return message.get("type") == "update" and message.get("channel") == "trade"


def test_connecting_is_greeted_with_the_status(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        greeting = reader.next()
    assert (greeting["channel"], greeting["type"]) == ("status", "update")
    [status] = greeting["data"]
    assert (status["system"], status["api_version"]) == ("online", "v2")
    assert status["connection_id"] >= 1 << 63


def test_each_symbol_gets_its_own_ack_or_error(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.next()
        reader.send(subscribe("BTC/USD", "XBT/EUR", "ETH/USD", "BTC/USD"))
        first, unknown, second, again = (reader.next() for _ in range(4))
    for ack, symbol in ((first, "BTC/USD"), (second, "ETH/USD")):
        assert ack["success"] is True
        assert ack["result"] == {"channel": "trade", "snapshot": True, "symbol": symbol}
        assert ack["req_id"] == 7
        assert datetime.fromisoformat(ack["time_in"]) <= datetime.fromisoformat(ack["time_out"])
    assert unknown["error"] == "Currency pair not supported XBT/EUR"
    assert (unknown["success"], unknown["symbol"]) == (False, "XBT/EUR")
    assert again["error"] == "Already subscribed"


def test_snapshot_of_fifty_runs_on_into_the_updates(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC/USD"))
        messages = [*reader.until(is_update), *reader.until(is_update), *reader.until(is_update)]
    data = [row for each in messages if each.get("channel") == "trade" for row in each["data"]]
    [snapshot] = [each for each in messages if each.get("type") == "snapshot"]
    assert len(snapshot["data"]) == 50
    ids = [row["trade_id"] for row in data]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert set(data[0]) == {
        "symbol", "side", "price", "qty", "ord_type", "trade_id", "timestamp"
    }  # fmt: skip


def test_without_a_snapshot_only_updates_come(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC/USD", snapshot=False))
        messages = reader.until(is_update)
    assert not [each for each in messages if each.get("type") == "snapshot"]


def test_some_updates_hold_several_trades(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC/USD", snapshot=False))
        reader.until(lambda message: is_update(message) and len(message["data"]) > 1)


def test_unsubscribing_ends_the_updates(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC/USD", snapshot=False))
        reader.until(is_update)
        params = {"channel": "trade", "symbol": ["BTC/USD"]}
        reader.send({"method": "unsubscribe", "params": params})
        reader.until(lambda message: message.get("method") == "unsubscribe")
        reader.send({"method": "ping", "req_id": 1})
        assert not [each for each in reader.until(is_pong) if is_update(each)]


def is_pong(message: Message) -> bool:
    return message.get("method") == "pong"


def test_ping_is_answered_with_the_exchanges_time(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send({"method": "ping", "req_id": 101})
        pong = reader.until(is_pong)[-1]
    assert pong["req_id"] == 101
    assert datetime.fromisoformat(pong["time_in"]) <= datetime.fromisoformat(pong["time_out"])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"method": "dance"}, "Unsupported method"),
        ({"method": "subscribe"}, "Params missing"),
        ({"method": "subscribe", "params": {"channel": "weather"}}, "Unsupported channel weather"),
        ({"method": "subscribe", "params": {"channel": "trade"}}, "Symbol(s) missing"),
    ],
)
def test_wrong_requests_are_answered(lively: Simulator, request_: Any, words: str) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.next()
        reader.send(request_)
        answer = reader.next()
    assert (answer["error"], answer["success"]) == (words, False)


def test_quiet_connections_get_heartbeats_once_subscribed() -> None:
    with (
        start_simulator(simulator_history="1h", product_ids="LTC/USD") as simulator,
        FrameReader(simulator.ws_url) as reader,
    ):
        simulator.control.pause()
        reader.next()
        with pytest.raises(websocket.WebSocketTimeoutException):
            reader.next_text(timeout=1.3)
        reader.send(subscribe("LTC/USD", snapshot=False))
        reader.next()
        assert [reader.next() for _ in range(2)] == [{"channel": "heartbeat"}] * 2


def test_websocket_level_pings_are_answered(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.next()
        reader.socket.ping("are you there")
        opcode, frame = reader.socket.recv_data_frame(control_frame=True)
    assert (opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, b"are you there")


def test_the_products_own_adapter_reads_every_frame(lively: Simulator) -> None:
    adapter = Kraken()
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC/USD", "XBT/EUR"))
        reader.send({"method": "ping", "req_id": 1})
        reader.until(is_pong)
        reader.until(is_update)
        events = [event for text in reader.texts for event in adapter.read_frame(text)]
    kinds = {type(event) for event in events}
    assert kinds == {Alive, Subscribed, SubscriptionRejected, TradesSeen}
    truth = {trade["trade_id"]: trade for trade in lively.control.trades("BTC/USD")}
    for event in events:
        if isinstance(event, TradesSeen):
            for trade in event.trades:
                true = truth[int(trade.trade_id)]
                assert str(trade.price) == str(true["price"])
                assert trade.side == true["side"]
                assert trade.timestamp_us == true["time_ns"] // 1000


def test_no_trade_lies_in_the_future_at_any_speed() -> None:
    with (
        start_simulator(simulator_speed="600", simulator_history="1m") as simulator,
        FrameReader(simulator.ws_url) as reader,
    ):
        reader.send(subscribe("BTC/USD", "ETH/USD", snapshot=False))
        for _ in range(20):
            for row in reader.until(is_update)[-1]["data"]:
                printed = datetime.fromisoformat(row["timestamp"])
                assert printed <= datetime.now(printed.tzinfo)
