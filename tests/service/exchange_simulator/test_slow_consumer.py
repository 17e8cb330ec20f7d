import pytest

from exchange_simulator import connection
from support.simulator import start_simulator
from support.wait import wait_until
from support.websocket_frames import FrameReader

pytestmark = pytest.mark.service


def test_a_client_that_stops_reading_is_cut_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_BACKLOG_CHARS", 3_000_000)
    params = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}
    with (
        start_simulator(simulator_rate=20_000, simulator_history="0") as simulator,
        FrameReader(simulator.ws_url) as slow,
        FrameReader(simulator.ws_url) as quick,
    ):
        slow.send({"method": "subscribe", "params": params})
        simulator.control.wait_subscribed("BTC/USD")
        wait_until(lambda: simulator.control.state()["connections"] == 1, 60, "the slow one is cut")
        quick.send({"method": "subscribe", "params": params})
        quick.until(lambda message: message.get("channel") == "trade")
