"""Bitstamp's frames and answers, against recordings of both."""

import json
from decimal import Decimal

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    Alive,
    HistoryTooShortError,
    Malformed,
    Position,
    ReconnectAsked,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.bitstamp.adapter import Bitstamp
from support.adapters import subscribed
from support.market_data import market_file
from support.recordings import received_frames


def test_recorded_trades_are_read_from_their_exact_texts() -> None:
    adapter = subscribed(Bitstamp(), "ETH/USD")
    frames = [f for f in received_frames("bitstamp/ws/BITSTAMP.ws.1.0") if '"event":"trade"' in f]
    seen = [event for frame in frames for event in adapter.read_frame(frame)]
    assert len(seen) == 10
    assert seen[0] == TradesSeen(
        "ETH/USD",
        (Trade("216000477", Decimal("3805.44"), Decimal("0.0792"), "buy", 1641343699596000),),
        is_snapshot=False,
    )


def test_recorded_ids_ascend_but_are_shared_between_pairs() -> None:
    frames = [f for f in received_frames("bitstamp/ws/BITSTAMP.ws.1.0") if '"event":"trade"' in f]
    ids = [json.loads(frame)["data"]["id"] for frame in frames]
    assert ids == sorted(ids)
    assert ids != list(range(ids[0], ids[0] + len(ids)))
    assert Bitstamp().trade_ids == "shared"


def test_recorded_acknowledgements_name_their_pair() -> None:
    adapter = subscribed(Bitstamp(), "ETH/USD")
    frames = received_frames("bitstamp/ws/BITSTAMP.ws.1.0")
    events = [
        event
        for frame in frames
        if '"bts:subscription_succeeded"' in frame and "live_trades" in frame
        for event in adapter.read_frame(frame)
    ]
    assert len(events) == 10
    assert Subscribed("ETH/USD") in events


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        ('{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}', Alive()),
        (
            '{"event":"bts:request_reconnect","channel":"","data":""}',
            ReconnectAsked("bts:request_reconnect"),
        ),
        (
            '{"event":"bts:error","channel":"","data":{"code":null,'
            '"message":"Invalid channel provided."}}',
            SubscriptionRejected("", "Invalid channel provided."),
        ),
    ],
)
def test_control_frames_are_understood(frame: str, event: object) -> None:
    assert Bitstamp().read_frame(frame) == [event]


@pytest.mark.parametrize(
    "frame", ["", "{}", '{"event":"trade","channel":"live_trades_btcusd","data":{}}', b"\xff"]
)
def test_a_broken_frame_is_malformed(frame: str | bytes) -> None:
    (event,) = Bitstamp().read_frame(frame)
    assert isinstance(event, Malformed)


def test_no_subscription_frame_reaches_512_bytes() -> None:
    frames = Bitstamp().subscribe_frames([f"COIN{i}/USD" for i in range(50)])
    assert len(frames) == 50
    assert max(map(len, frames)) < 512


def recorded_hour(request: Request) -> Response:
    assert request.path == "/api/v2/transactions/btcusd/"
    body = market_file("bitstamp/rest/transactions_btcusd_hour_20190614.json").read_bytes()
    return Response(200, {}, body)


def test_recorded_history_is_ascending_and_exact() -> None:
    rows = json.loads(recorded_hour(Request("/api/v2/transactions/btcusd/", {})).body)
    (page,) = Bitstamp().pages_after("BTC/USD", Position(rows[-1]["tid"], 0), recorded_hour)
    ids = [int(trade.trade_id) for trade in page.trades]
    assert ids == sorted(int(row["tid"]) for row in rows)
    assert page.trades[-1] == Trade(
        "90574283", Decimal("8194.79"), Decimal("0.00288599"), "sell", 1560481868000000
    )
    assert not page.more


def test_an_absence_longer_than_history_is_reported() -> None:
    with pytest.raises(HistoryTooShortError) as raised:
        next(Bitstamp().pages_after("BTC/USD", Position("1", 0), recorded_hour))
    assert raised.value.begins_us > 0


def test_history_from_a_time_holds_the_whole_second_of_it() -> None:
    from_us = 1560481858_500000
    (page,) = Bitstamp().pages_from_time("BTC/USD", from_us, recorded_hour)
    assert [trade.trade_id for trade in page.trades] == ["90574282", "90574283"]


def test_an_unknown_pair_is_found_over_rest() -> None:
    with pytest.raises(UnknownProductError):
        Bitstamp().check(Response(404, {}, b"<html>not found</html>"))
