from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
import websocket

from support.simulator import Simulator, start_simulator
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def lively() -> Iterator[Simulator]:
    with start_simulator(
        exchange="bitstamp", simulator_rate=300, simulator_history="10s"
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def still() -> Iterator[Simulator]:
    with start_simulator(
        exchange="bitstamp", simulator_rate=2, simulator_start="2026-09-26T18:00:10"
    ) as simulator:
        simulator.control.pause()
        yield simulator


def subscribe(channel: str) -> Message:
    return {"event": "bts:subscribe", "data": {"channel": channel}}


def is_trade(message: Message) -> bool:
    return bool(message["event"] == "trade")


def get(simulator: Simulator, path: str, **params: Any) -> httpx.Response:
    return httpx.get(f"{simulator.rest_url}/api/v2/{path}", params=params)


def test_subscribing_is_acknowledged_and_trades_follow(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("live_trades_btcusd"))
        assert reader.next() == {
            "event": "bts:subscription_succeeded", "channel": "live_trades_btcusd", "data": {}
        }  # fmt: skip
        trades = [reader.until(is_trade)[-1]["data"] for _ in range(40)]
    truth = {trade["trade_id"]: trade for trade in lively.control.trades("BTC/USD")}
    for trade in trades:
        true = truth[trade["id"]]
        assert (trade["price_str"], trade["amount_str"]) == (true["price"], true["quantity"])
        assert trade["type"] == (true["side"] == "sell")
        assert trade["microtimestamp"] == f"{true['time_ns'] // 10**6}000"
        assert trade["timestamp"] == str(true["time_ns"] // 10**9)


def test_ids_ascend_over_all_pairs_and_are_not_dense(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("live_trades_btcusd"))
        reader.send(subscribe("live_trades_ethusd"))
        ids = [reader.until(is_trade)[-1]["data"]["id"] for _ in range(60)]
    assert len(set(ids)) == 60
    btc, eth = (lively.control.ids(product) for product in ("BTC/USD", "ETH/USD"))
    assert not set(btc) & set(eth)
    assert any(after - before > 1 for before, after in pairwise(sorted(btc + eth)))


def test_unknown_pairs_are_acknowledged_and_wrong_case_is_an_error(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("live_trades_nonenone"))
        assert reader.next()["event"] == "bts:subscription_succeeded"
        reader.send(subscribe("live_trades_BTCUSD"))
        error = reader.next()
    assert error["event"] == "bts:error"
    assert error["data"]["message"] == "Invalid channel provided."


def test_heartbeats_are_answered_and_unsubscribing_is_acknowledged(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send({"event": "bts:heartbeat"})
        assert reader.next()["data"] == {"status": "success"}
        reader.send({"event": "bts:unsubscribe", "data": {"channel": "live_trades_btcusd"}})
        assert reader.next()["event"] == "bts:unsubscription_succeeded"


def test_reconnect_is_asked_for(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("live_trades_ltcusd"))
        reader.next()
        lively.control.order({"fault": "reconnect"})
        assert reader.next()["event"] == "bts:request_reconnect"


def test_long_client_frames_end_the_connection(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.socket.send("x" * 600)
        opcode, payload = reader.socket.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(payload[:2], "big") == 1009


@pytest.mark.parametrize(("time", "seconds"), [("minute", 60), ("hour", 3600), ("day", 86400)])
def test_transactions_go_back_as_asked_newest_first(
    still: Simulator, time: str, seconds: int
) -> None:
    rows = get(still, "transactions/btcusd/", time=time).json()
    since = still.control.state()["clock_ns"] - seconds * 10**9
    expected = [t for t in still.control.trades("BTC/USD") if t["time_ns"] >= since]
    assert [int(row["tid"]) for row in rows] == [t["trade_id"] for t in reversed(expected)]
    assert rows[0] == {
        "date": str(expected[-1]["time_ns"] // 10**9),
        "tid": str(expected[-1]["trade_id"]),
        "price": expected[-1]["price"],
        "type": str(int(expected[-1]["side"] == "sell")),
        "amount": expected[-1]["quantity"],
    }


def test_candles_are_flat_where_nothing_traded(still: Simulator) -> None:
    data = get(still, "ohlc/ltcusd/", step=60, limit=50).json()["data"]
    assert data["pair"] == "LTC/USD"
    times = [int(row["timestamp"]) for row in data["ohlc"]]
    assert len(times) == 50
    assert all(after - before == 60 for before, after in pairwise(times))
    assert "0.00000000" in {row["volume"] for row in data["ohlc"]}
    later = get(still, "ohlc/ltcusd/", step=60, limit=2, start=times[5]).json()["data"]
    assert later["ohlc"] == data["ohlc"][5:7]


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("transactions/nonenone/", {}, 404),
        ("transactions/btcusd/", {"time": "year"}, 400),
        ("ohlc/btcusd/", {"step": "7"}, 400),
        ("ohlc/btcusd/", {"step": "60", "limit": "5000"}, 400),
    ],
)
def test_wrong_requests_are_refused(
    still: Simulator, path: str, params: dict[str, str], status: int
) -> None:
    assert get(still, path, **params).status_code == status


def test_too_many_requests_and_stale_pages(still: Simulator) -> None:
    truth = still.control.ids("BTC/USD")
    still.control.order(
        {"fault": "rest", "kind": "too_many_requests"},
        {"fault": "rest", "kind": "stale", "trades": 4},
    )
    assert get(still, "transactions/btcusd/").status_code == 429
    assert int(get(still, "transactions/btcusd/").json()[0]["tid"]) == truth[-5]
    assert get(still, "trading-pairs-info/").json()[0]["url_symbol"] == "btcusd"
