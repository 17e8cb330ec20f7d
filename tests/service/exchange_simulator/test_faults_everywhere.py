"""The faults of trade frames, in every protocol."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from support.simulator import Simulator, start_simulator
from support.wait import wait_until
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service


class Tongue(NamedTuple):
    """How a client of one exchange subscribes, and reads a frame's (id, price) pairs."""

    subscribe: Message
    trades: Callable[[Message], list[tuple[int, Any]]]
    product: str = "BTC/USD"


def kraken(message: Message) -> list[tuple[int, Any]]:
    rows = message["data"] if message.get("channel") == "trade" else []
    return [(row["trade_id"], row["price"]) for row in rows]


def coinbase(message: Message) -> list[tuple[int, Any]]:
    return [(message["trade_id"], message["price"])] if message.get("type") == "match" else []


def binance(message: Message) -> list[tuple[int, Any]]:
    return [(message["t"], message["p"])] if message.get("e") == "trade" else []


def bitstamp(message: Message) -> list[tuple[int, Any]]:
    data = message.get("data", {})
    return [(data["id"], data["price_str"])] if message.get("event") == "trade" else []


TONGUES = {
    "kraken": Tongue(
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False},
        },
        kraken,
    ),
    "coinbase": Tongue(
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}, coinbase
    ),
    "binance": Tongue(
        {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}, binance, "BTC/USDT"
    ),
    "bitstamp": Tongue(
        {"event": "bts:subscribe", "data": {"channel": "live_trades_btcusd"}}, bitstamp
    ),
}


class Client:
    """A subscribed client of the simulator in its exchange's tongue."""

    def __init__(self, simulator: Simulator, tongue: Tongue) -> None:
        self.simulator = simulator
        self.product = tongue.product
        self.reader = FrameReader(simulator.ws_url)
        self.reader.send(tongue.subscribe)
        self._trades = tongue.trades

    def read(self, count: int) -> list[tuple[int, Any]]:
        """Return at least this many trades; frames that are no JSON are passed over."""
        found: list[tuple[int, Any]] = []
        while len(found) < count:
            try:
                found += self._trades(json.loads(self.reader.next_text()))
            except ValueError:
                continue
        return found

    def read_past(self, fault: str, times: int) -> list[tuple[int, Any]]:
        """Return the trades up to some that came after a fault was dealt this often."""
        control = self.simulator.control
        wait_until(lambda: control.state()["faults_dealt"].get(fault) == times, 20, fault)
        newest = control.state()["products"][self.product]["last_id"]
        found = self.read(1)
        while found[-1][0] < newest:
            found += self.read(1)
        return found + self.read(100)

    def truth(self, first: int, last: int) -> list[int]:
        """Return the ids the exchange printed, from the first to the last, both in."""
        trades = self.simulator.control.trades(self.product, first, last)
        return [trade["trade_id"] for trade in trades]


@pytest.fixture(params=list(TONGUES))
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with start_simulator(
        exchange=request.param, simulator_rate=4000, simulator_history="1s"
    ) as simulator:
        started = Client(simulator, TONGUES[request.param])
        yield started
        started.reader.close()


def test_without_faults_every_trade_comes_once_and_in_order(client: Client) -> None:
    ids = [trade_id for trade_id, _ in client.read(500)]
    assert ids == client.truth(ids[0], ids[-1])


def test_skipped_trades_are_missing_and_no_others(client: Client) -> None:
    ids = [trade_id for trade_id, _ in client.read(1)]
    client.simulator.control.order({"fault": "skip", "trades": 4})
    ids += [trade_id for trade_id, _ in client.read_past("skip", 4)]
    missing = [each for each in client.truth(ids[0], ids[-1]) if each not in ids]
    assert len(missing) == 4
    assert ids == sorted(ids)


def test_repeated_trades_come_twice(client: Client) -> None:
    client.read(1)
    client.simulator.control.order({"fault": "repeat", "frames": 2})
    ids = [trade_id for trade_id, _ in client.read_past("repeat", 2)]
    assert len(ids) - len(set(ids)) >= 2
    assert sorted(set(ids)) == client.truth(min(ids), max(ids))


def test_shuffled_trades_are_all_there(client: Client) -> None:
    client.read(1)
    client.simulator.control.order({"fault": "reorder", "frames": 3})
    ids = [trade_id for trade_id, _ in client.read_past("reorder", 3)]
    assert ids != sorted(ids)
    assert sorted(ids) == client.truth(min(ids), max(ids))


def test_one_malformed_row_stands_among_good_ones(client: Client) -> None:
    client.read(1)
    client.simulator.control.order({"fault": "garbage", "kind": "malformed_row"})
    prices = [price for _, price in client.read_past("garbage", 1)]
    assert prices.count("n/a") == 1


@pytest.mark.parametrize("when", ["mid_frame", "mid_burst", "after_frames"])
def test_connections_are_dropped_in_every_protocol(client: Client, when: str) -> None:
    client.read(20)
    client.simulator.control.order({"fault": "drop", "when": when})
    client.reader.until_closed()
    assert client.simulator.control.state()["faults_dealt"] == {"drop": 1}
