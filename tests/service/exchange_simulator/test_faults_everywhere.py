"""The faults of trade frames, in every protocol."""

from collections.abc import Iterator

import pytest

from exchange_simulator.protocols.registry import protocol_class
from ohlc_exchanges.base import Malformed, TradesSeen
from ohlc_exchanges.registry import EXCHANGES, adapter_for
from support.simulator import Simulator, start_simulator
from support.wait import wait_until
from support.websocket_frames import FrameReader

pytestmark = pytest.mark.service


class Client:
    """A subscribed client of the simulator, which reads as the exchange's adapter does."""

    def __init__(self, simulator: Simulator, exchange: str) -> None:
        self.simulator = simulator
        self.product = protocol_class(exchange).default_products[0]
        self.malformed = 0
        self.reader = FrameReader(simulator.ws_url)
        self._adapter = adapter_for(exchange)
        for frame in self._adapter.subscribe_frames([self.product]):
            self.reader.socket.send(frame)

    def read(self, count: int) -> list[int]:
        """Return the ids of at least this many trades as they came, without the snapshot's."""
        found: list[int] = []
        while len(found) < count:
            text = self.reader.next_text()
            for event in self._adapter.read_frame(text):
                if isinstance(event, TradesSeen) and not event.is_snapshot:
                    # Adapters sort a frame's trades; here their places in the frame count.
                    ids = [trade.trade_id for trade in event.trades]
                    found += map(int, sorted(ids, key=str(text).index))
                self.malformed += isinstance(event, Malformed)
        return found

    def read_past(self, fault: str, times: int) -> list[int]:
        """Return the trades up to some that came after a fault was dealt this often."""
        control = self.simulator.control
        wait_until(lambda: control.state()["faults_dealt"].get(fault) == times, 20, fault)
        newest = control.state()["products"][self.product]["last_id"]
        found = self.read(1)
        while found[-1] < newest:
            found += self.read(1)
        return found + self.read(100)

    def truth(self, first: int, last: int) -> list[int]:
        """Return the ids the exchange printed, from the first to the last, both in."""
        trades = self.simulator.control.trades(self.product, first, last)
        return [trade["trade_id"] for trade in trades]


@pytest.fixture(params=EXCHANGES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with start_simulator(
        exchange=request.param, simulator_rate=4000, simulator_history="1s"
    ) as simulator:
        started = Client(simulator, request.param)
        yield started
        started.reader.close()


def test_without_faults_every_trade_comes_once_and_in_order(client: Client) -> None:
    ids = client.read(500)
    assert ids == client.truth(ids[0], ids[-1])


def test_skipped_trades_are_missing_and_no_others(client: Client) -> None:
    ids = client.read(1)
    client.simulator.control.order({"fault": "skip", "trades": 4})
    ids += client.read_past("skip", 4)
    missing = [each for each in client.truth(ids[0], ids[-1]) if each not in ids]
    assert len(missing) == 4
    assert ids == sorted(ids)


def test_repeated_trades_come_twice(client: Client) -> None:
    client.read(1)
    client.simulator.control.order({"fault": "repeat", "frames": 2})
    ids = client.read_past("repeat", 2)
    assert len(ids) - len(set(ids)) >= 2
    assert sorted(set(ids)) == client.truth(min(ids), max(ids))


def test_shuffled_trades_are_all_there(client: Client) -> None:
    client.read(1)
    client.simulator.control.order({"fault": "reorder", "frames": 3})
    ids = client.read_past("reorder", 3)
    assert ids != sorted(ids)
    assert sorted(ids) == client.truth(min(ids), max(ids))


def test_one_malformed_row_stands_among_good_ones(client: Client) -> None:
    client.read(1)
    client.simulator.control.order({"fault": "garbage", "kind": "malformed_row"})
    client.read_past("garbage", 1)
    assert client.malformed == 1


@pytest.mark.parametrize("when", ["mid_frame", "mid_burst", "after_frames"])
def test_connections_are_dropped_in_every_protocol(client: Client, when: str) -> None:
    client.read(20)
    client.simulator.control.order({"fault": "drop", "when": when})
    client.reader.until_closed()
    assert client.simulator.control.state()["faults_dealt"] == {"drop": 1}
