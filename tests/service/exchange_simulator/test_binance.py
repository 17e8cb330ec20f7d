from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
import websocket

from exchange_simulator.protocols.binance import Binance
from support.simulator import Simulator, start_simulator
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def lively() -> Iterator[Simulator]:
    with start_simulator(
        exchange="binance", simulator_rate=300, simulator_history="10s"
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def still() -> Iterator[Simulator]:
    with start_simulator(
        exchange="binance", simulator_rate=2, simulator_start="2026-09-26T18:00:10"
    ) as simulator:
        simulator.control.pause()
        yield simulator


def base(simulator: Simulator) -> str:
    return simulator.ws_url.removesuffix("/ws")


def is_trade(message: Message) -> bool:
    return message.get("e") == "trade"


def get(simulator: Simulator, path: str, **params: Any) -> httpx.Response:
    return httpx.get(f"{simulator.rest_url}/api/v3/{path}", params=params)


def test_subscribing_is_acknowledged_and_trades_follow_densely(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
        assert reader.next() == {"result": None, "id": 1}
        ids = [reader.until(is_trade)[-1]["t"] for _ in range(30)]
    assert ids == list(range(ids[0], ids[0] + 30))


def test_trades_are_sent_in_strings_and_milliseconds(lively: Simulator) -> None:
    with FrameReader(base(lively) + "/ws/btcusdt@trade") as reader:
        trades = [reader.until(is_trade)[-1] for _ in range(40)]
    truth = {trade["trade_id"]: trade for trade in lively.control.trades("BTC/USDT")}
    for trade in trades:
        true = truth[trade["t"]]
        assert trade["p"] == true["price"] + "0000000"
        assert trade["q"] == true["quantity"]
        assert trade["m"] is (true["side"] == "sell")
        assert trade["T"] == true["time_ns"] // 10**6
        assert trade["s"] == "BTCUSDT"


def test_combined_streams_wrap_and_take_their_names_from_the_address(lively: Simulator) -> None:
    address = base(lively) + "/stream?streams=btcusdt@trade/ethusdt@trade&timeUnit=MICROSECOND"
    with FrameReader(address) as reader:
        reader.until(lambda frame: frame["stream"] == "btcusdt@trade")
        reader.until(lambda frame: frame["stream"] == "ethusdt@trade")
        first = reader.next()["data"]
    assert len(str(first["T"])) == 16


def test_unknown_streams_are_accepted_and_silent(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send({"method": "SUBSCRIBE", "params": ["nonenone@trade"], "id": 3})
        assert reader.next() == {"result": None, "id": 3}
        reader.send({"method": "LIST_SUBSCRIPTIONS", "id": 4})
        assert reader.next() == {"result": ["nonenone@trade"], "id": 4}


def test_wrong_requests_are_answered_with_code_and_words(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send({"method": "DANCE", "id": 5})
        answer = reader.next()
    assert (answer["code"], answer["id"]) == (2, 5)
    assert answer["msg"].startswith("Invalid request")


def test_reconnect_fault_is_the_server_shutdown_event(lively: Simulator) -> None:
    with FrameReader(base(lively) + "/ws/ltcusdt@trade") as reader:
        lively.control.wait_subscribed("LTC/USDT")
        lively.control.order({"fault": "reconnect"})
        assert reader.until(lambda m: m.get("e") == "serverShutdown")


def test_server_pings_on_the_websocket_level(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Binance.ping_seconds == 20
    monkeypatch.setattr(Binance, "ping_seconds", 0.1)
    with (
        start_simulator(exchange="binance", simulator_history="0") as simulator,
        FrameReader(base(simulator) + "/ws/ltcusdt@trade") as reader,
    ):
        opcode, _ = reader.socket.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_PING


def test_historical_trades_page_up_by_id(still: Simulator) -> None:
    truth = still.control.ids("BTC/USDT")
    ids: list[int] = []
    while True:
        page = get(
            still, "historicalTrades", symbol="BTCUSDT", fromId=truth[0] + len(ids), limit=1000
        )
        ids += [row["id"] for row in page.json()]
        if len(page.json()) < 1000:
            break
    assert ids == truth


def test_recent_trades_are_the_newest_ascending(still: Simulator) -> None:
    rows = get(still, "trades", symbol="BTCUSDT", limit=3).json()
    truth = still.control.trades("BTC/USDT")[-3:]
    assert [row["id"] for row in rows] == [trade["trade_id"] for trade in truth]
    assert [row["isBuyerMaker"] for row in rows] == [t["side"] == "sell" for t in truth]


def test_aggregated_trades_cover_every_trade_once(still: Simulator) -> None:
    truth = still.control.ids("BTC/USDT")
    rows: list[Message] = []
    while True:
        page = get(still, "aggTrades", symbol="BTCUSDT", fromId=len(rows), limit=1000).json()
        rows += page
        if len(page) < 1000:
            break
    assert [row["a"] for row in rows] == list(range(len(rows)))
    assert (rows[0]["f"], rows[-1]["l"]) == (truth[0], truth[-1])
    assert all(after["f"] == before["l"] + 1 for before, after in pairwise(rows))
    assert len(rows) < len(truth), "some are aggregated"
    middle = rows[len(rows) // 2]["T"]
    timed = get(still, "aggTrades", symbol="BTCUSDT", startTime=middle, endTime=middle).json()
    assert timed == [row for row in rows if row["T"] == middle]


def test_klines_have_every_window_and_twelve_fields(still: Simulator) -> None:
    rows = get(still, "klines", symbol="LTCUSDT", interval="1m", limit=100).json()
    assert all(after[0] - before[0] == 60_000 for before, after in pairwise(rows))
    assert all(len(row) == 12 and row[6] == row[0] + 59_999 for row in rows)
    assert {row[8] == 0 for row in rows} == {True, False}
    later = get(still, "klines", symbol="LTCUSDT", interval="1m", startTime=rows[5][0] - 1, limit=2)
    assert later.json() == rows[5:7]


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("trades", {"symbol": "NOPE"}, -1121),
        ("trades", {}, -1102),
        ("historicalTrades", {"symbol": "BTCUSDT", "fromId": "x"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("exchangeInfo", {"symbol": "NOPE"}, -1121),
    ],
)
def test_errors_have_binances_codes(
    still: Simulator, path: str, params: dict[str, str], code: int
) -> None:
    response = get(still, path, **params)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_too_many_requests_say_how_long_to_stay_away(still: Simulator) -> None:
    still.control.order({"fault": "rest", "kind": "too_many_requests"})
    response = get(still, "historicalTrades", symbol="BTCUSDT")
    assert (response.status_code, response.json()["code"]) == (429, -1003)
    assert response.headers["Retry-After"] == "1"


def test_rest_times_come_in_microseconds_when_asked(still: Simulator) -> None:
    response = httpx.get(
        f"{still.rest_url}/api/v3/trades",
        params={"symbol": "BTCUSDT", "limit": 1},
        headers={"X-MBX-TIME-UNIT": "MICROSECOND"},
    )
    assert response.json()[0]["time"] == still.control.trades("BTC/USDT")[-1]["time_ns"] // 1000
    assert get(still, "exchangeInfo").json()["symbols"][0]["symbol"] == "BTCUSDT"
