import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from exchange_simulator.protocols.coinbase import Coinbase
from support.simulator import Simulator, start_simulator
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def lively() -> Iterator[Simulator]:
    with start_simulator(
        exchange="coinbase", simulator_rate=300, simulator_history="10s"
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def still() -> Iterator[Simulator]:
    with start_simulator(
        exchange="coinbase", simulator_rate=2, simulator_start="2026-09-26T18:00:10"
    ) as simulator:
        simulator.control.pause()
        yield simulator


def subscribe(*products: str) -> Message:
    return {
        "type": "subscribe", "product_ids": list(products), "channels": ["matches", "heartbeat"]
    }  # fmt: skip


def is_match(message: Message) -> bool:
    return bool(message["type"] == "match")


def get(simulator: Simulator, path: str, **params: Any) -> httpx.Response:
    return httpx.get(simulator.rest_url + path, params=params)


def test_ack_is_the_whole_state_then_the_last_match_then_matches(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC-USD"))
        ack, last, *rest = reader.until(is_match)
        assert ack == {
            "type": "subscriptions",
            "channels": [
                {"name": "matches", "product_ids": ["BTC-USD"]},
                {"name": "heartbeat", "product_ids": ["BTC-USD"]},
            ],
        }
        assert last["type"] == "last_match"
        matches = [*rest, *reader.until(is_match), *reader.until(is_match)]
        ids = [each["trade_id"] for each in matches if is_match(each)]
        assert ids == list(range(last["trade_id"] + 1, last["trade_id"] + 1 + len(ids)))
        reader.send(subscribe("ETH-USD"))
        second = reader.until(lambda message: message["type"] == "subscriptions")[-1]
        assert second["channels"][0]["product_ids"] == ["BTC-USD", "ETH-USD"]


def test_side_is_the_makers(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC-USD"))
        matches = [reader.until(is_match)[-1] for _ in range(60)]
    truth = {trade["trade_id"]: trade["side"] for trade in lively.control.trades("BTC/USD")}
    opposite = {"buy": "sell", "sell": "buy"}
    assert {each["side"] for each in matches} == {"buy", "sell"}
    assert all(each["side"] == opposite[truth[each["trade_id"]]] for each in matches)


def test_one_bad_product_refuses_the_whole_request(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC-USD", "GIBBERISH-USD"))
        assert reader.next() == {
            "type": "error",
            "message": "Failed to subscribe",
            "reason": "GIBBERISH-USD is not a valid product",
        }
        assert lively.control.state()["products"]["BTC/USD"]["subscribers"] == 0


def test_heartbeats_come_every_second_and_tell_the_last_id(lively: Simulator) -> None:
    with FrameReader(lively.ws_url) as reader:
        reader.send(subscribe("BTC-USD"))
        seen = [reader.until(lambda m: m["type"] == "heartbeat")[-1] for _ in range(2)]
    assert seen[0]["product_id"] == "BTC-USD"
    assert lively.control.ids("BTC/USD")[0] < seen[0]["last_trade_id"] < seen[1]["last_trade_id"]


def test_a_connection_without_a_subscription_is_ended(
    lively: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Coinbase.subscribe_within_seconds == 5
    monkeypatch.setattr(Coinbase, "subscribe_within_seconds", 0.2)
    with FrameReader(lively.ws_url) as reader:
        reader.until_closed()
    assert reader.texts == []


def test_walking_down_by_the_after_cursor_gives_every_trade(still: Simulator) -> None:
    ids: list[int] = []
    params: dict[str, str] = {}
    while True:
        response = get(still, "/products/BTC-USD/trades", **params)
        page = [row["trade_id"] for row in response.json()]
        if not page:
            break
        assert response.headers["CB-BEFORE"] == str(page[0])
        assert response.headers["CB-AFTER"] == str(page[-1])
        ids += page
        params = {"after": response.headers["CB-AFTER"]}
    assert ids == list(reversed(still.control.ids("BTC/USD")))
    assert len(ids) > 2000


def test_before_gives_the_newest_page_not_the_adjacent_one(still: Simulator) -> None:
    truth = still.control.ids("BTC/USD")
    page = get(still, "/products/BTC-USD/trades", before=truth[10], limit=5).json()
    assert [row["trade_id"] for row in page] == truth[-1:-6:-1]


def test_rest_rows_are_the_trades(still: Simulator) -> None:
    [row] = get(still, "/products/BTC-USD/trades", limit=1).json()
    true = still.control.trades("BTC/USD")[-1]
    assert (row["price"], row["size"]) == (true["price"], true["quantity"])
    assert row["side"] != true["side"]


def test_candles_are_newest_first_low_before_high_and_skip_empty_minutes(
    still: Simulator,
) -> None:
    rows = get(still, "/products/LTC-USD/candles", granularity=60).json()
    times = [row[0] for row in rows]
    assert times == sorted(times, reverse=True)
    assert len(times) < 120, "empty minutes are absent"
    for _, low, high, open_, close, volume in rows:
        assert low <= min(open_, close) <= max(open_, close) <= high
        assert volume > 0


def test_too_wide_a_range_of_candles_is_refused(still: Simulator) -> None:
    response = get(
        still, "/products/BTC-USD/candles", start="2026-09-26T00:00:00Z", end="1790440000"
    )
    assert response.status_code == 400
    assert "granularity too small" in response.json()["message"]


def test_unknown_products_are_not_found(still: Simulator) -> None:
    response = get(still, "/products/NO-NE/trades")
    assert (response.status_code, response.json()) == (404, {"message": "NotFound"})
    assert get(still, "/products/BTC-USD").json()["id"] == "BTC-USD"


def test_too_many_requests_are_coinbases_429(still: Simulator) -> None:
    still.control.order({"fault": "rest", "kind": "too_many_requests"})
    response = get(still, "/products/BTC-USD/trades")
    assert response.status_code == 429
    assert json.loads(response.content) == {"message": "Public rate limit exceeded"}


@pytest.mark.parametrize(
    ("kind", "is_good"), [("no_last", False), ("bad_last", False), ("stale", True)]
)
def test_spoiled_pages(still: Simulator, kind: str, is_good: bool) -> None:
    still.control.order({"fault": "rest", "kind": kind, "trades": 7})
    response = get(still, "/products/BTC-USD/trades")
    assert response.headers.get("CB-AFTER", "").isdecimal() == is_good
    if kind == "stale":
        assert response.json()[0]["trade_id"] == still.control.ids("BTC/USD")[-8]
