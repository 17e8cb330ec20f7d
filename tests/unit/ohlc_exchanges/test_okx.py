"""OKX's frames and answers: recordings of its channel ``trades``, and documented forms.

No recording of ``trades-all`` exists: the recorded frames are read under its name.
"""

import json
from decimal import Decimal

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    Alive,
    ExchangeError,
    ExchangeUnavailableError,
    Malformed,
    Position,
    RateLimitedError,
    ReconnectAsked,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.okx.adapter import Okx
from support.adapters import subscribed
from support.market_data import market_file
from support.recordings import received_frames


def recorded() -> list[str]:
    frames = received_frames("okx/OKX.ws.1.0")
    frames += market_file("okx/wsAllTrades.json").read_text().splitlines()
    return [
        frame.replace('"channel":"trades"', '"channel":"trades-all"')
        for frame in frames
        if '"channel":"trades"' in frame
    ]


def test_recorded_trades_are_read_exactly() -> None:
    adapter = subscribed(Okx(), "BTC/USDT")
    count = 0
    for frame in recorded():
        raw = json.loads(frame)
        if "data" not in raw or raw["arg"]["instId"] != "BTC-USDT":
            continue
        (event,) = adapter.read_frame(frame)
        trades = tuple(
            Trade(
                row["tradeId"],
                Decimal(row["px"]),
                Decimal(row["sz"]),
                row["side"],
                int(row["ts"]) * 1_000,
            )
            for row in raw["data"]
        )
        assert event == TradesSeen("BTC/USDT", trades, is_snapshot=False)
        count += len(trades)
    assert count == 71


def test_recorded_ids_of_a_product_count_up_by_one() -> None:
    adapter = Okx()
    ids: dict[str, list[int]] = {}
    for frame in recorded()[:-2]:  # the last two are of 2025
        for event in adapter.read_frame(frame):
            if isinstance(event, TradesSeen):
                new = [int(trade.trade_id) for trade in event.trades]
                ids.setdefault(event.product_id, []).extend(new)
    assert len(ids["BTC-USDT"]) == 69
    for each in ids.values():
        assert each == list(range(each[0], each[0] + len(each)))


def test_recorded_acknowledgements_name_the_product() -> None:
    adapter = subscribed(Okx(), "BTC/USDT")
    acks = [frame for frame in recorded() if '"event":"subscribe"' in frame]
    assert Subscribed("BTC/USDT") in [e for frame in acks for e in adapter.read_frame(frame)]


def test_refusal_names_the_product_that_was_asked_for() -> None:
    adapter = subscribed(Okx(), "XYZ/USDT", "BTC/USDT")
    frame = (
        '{"event":"error","code":"60018","msg":"Wrong URL or channel:trades-all,instId:XYZ-USDT '
        "doesn't exist. Please use the correct URL, channel and parameters referring to API "
        'document.","connId":"a4d3ae55"}'
    )
    (event,) = adapter.read_frame(frame)
    assert isinstance(event, SubscriptionRejected)
    assert (event.product_id, event.is_unknown_product) == ("XYZ/USDT", True)


def test_refusal_of_a_product_nobody_asked_for_refuses_none() -> None:
    adapter = subscribed(Okx(), "BTC/USDT")
    frame = '{"event":"error","code":"60018","msg":"channel:trades-all,instId:A-B doesn\'t exist"}'
    (event,) = adapter.read_frame(frame)
    assert isinstance(event, SubscriptionRejected)
    assert not event.is_unknown_product


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("pong", Alive),
        (b"pong", Alive),
        (
            '{"event":"notice","code":"64008","msg":"Please reconnect."}',
            ReconnectAsked,
        ),
        ('{"event":"channel-conn-count","channel":"trades-all","connCount":"2"}', Alive),
        ('{"event":"weather"}', Malformed),
        ("{}", Malformed),
    ],
)
def test_other_frames_are_understood(frame: str | bytes, kind: type) -> None:
    (event,) = Okx().read_frame(frame)
    assert isinstance(event, kind)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            200,
            b'{"code":"51001","msg":"no such instrument","data":[]}',
            UnknownProductError,
        ),
        (429, b'{"code":"50011","msg":"Rate limit reached","data":[]}', RateLimitedError),
        (
            503,
            b'{"code":"50001","msg":"unavailable"}',
            ExchangeUnavailableError,
        ),
        (200, b'{"code":"50013","msg":"System is busy","data":[]}', ExchangeUnavailableError),
        (200, b'{"code":"51000","msg":"Parameter limit error","data":[]}', ExchangeError),
    ],
)
def test_errors_are_named(status: int, body: bytes, error: type[ExchangeError]) -> None:
    with pytest.raises(error):
        Okx().check(Response(status, {}, body))


def test_history_is_paged_upwards_below_cursors() -> None:
    asked: list[str] = []

    def fetch(request: Request) -> Response:
        asked.append(request.params.get("after", ""))
        top = min(250, int(request.params.get("after", "251")) - 1)
        rows = [
            {"tradeId": str(i), "px": "2", "sz": "1", "side": "sell", "ts": "1767614400000"}
            for i in range(top, max(0, top - int(request.params["limit"])), -1)
        ]
        return Response(200, {}, json.dumps({"code": "0", "msg": "", "data": rows}).encode())

    pages = list(Okx().pages_after("BTC/USDT", Position("20", 0), fetch))
    assert [int(t.trade_id) for page in pages for t in page.trades] == list(range(21, 251))
    assert asked[0] == "121"
