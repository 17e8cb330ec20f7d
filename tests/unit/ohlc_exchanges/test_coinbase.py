"""Coinbase's frames and answers, against recordings of its feed."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    Alive,
    Malformed,
    MalformedResponseError,
    NewestReported,
    Page,
    Position,
    RateLimitedError,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.coinbase.adapter import Coinbase
from ohlc_exchanges.decoding import rfc3339_us
from support.adapters import subscribed
from support.recordings import received_frames


def recorded(kind: str) -> list[str]:
    frames = received_frames("coinbase/ws/COINBASE.ws.28.0")
    return [frame for frame in frames if f'"type":"{kind}"' in frame]


def test_every_recorded_match_becomes_one_trade_with_the_taker_s_side() -> None:
    adapter = Coinbase()
    for frame in recorded("match") + recorded("last_match"):
        raw = json.loads(frame, parse_float=Decimal)
        (seen,) = adapter.read_frame(frame)
        assert seen == TradesSeen(
            raw["product_id"],
            (
                Trade(
                    str(raw["trade_id"]),
                    Decimal(raw["price"]),
                    Decimal(raw["size"]),
                    {"sell": "buy", "buy": "sell"}[raw["side"]],
                    rfc3339_us(raw["time"]),
                ),
            ),
            raw["type"] == "last_match",
        )
    assert len(recorded("match")) == 97


def test_recorded_ids_of_a_product_count_up_by_one() -> None:
    adapter = Coinbase()
    ids: dict[str, list[int]] = {}
    for frame in recorded("match"):
        (seen,) = adapter.read_frame(frame)
        assert isinstance(seen, TradesSeen)
        ids.setdefault(seen.product_id, []).append(int(seen.trades[0].trade_id))
    assert any(len(each) > 10 for each in ids.values())
    for each in ids.values():
        assert each == list(range(each[0], each[0] + len(each)))


def test_the_recorded_acknowledgement_of_matches_names_all_ten_products() -> None:
    adapter = subscribed(Coinbase(), "SKL/USD")
    events = [event for frame in recorded("subscriptions") for event in adapter.read_frame(frame)]
    products = [event.product_id for event in events if isinstance(event, Subscribed)]
    assert len(products) == 10
    # as it was asked for
    assert "SKL/USD" in products
    assert "BAND-GBP" in products


def test_heartbeat_gives_the_exchanges_time_and_newest_trade() -> None:
    assert Coinbase().read_frame(
        '{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD",'
        '"time":"2014-11-07T08:19:28.464459Z"}'
    ) == [Alive(1415348368464459), NewestReported("BTC-USD", 20)]
    assert Coinbase().read_frame(
        '{"type":"heartbeat","sequence":90,"last_trade_id":0,"product_id":"BTC-USD",'
        '"time":"2014-11-07T08:19:28.464459Z"}'
    ) == [Alive(1415348368464459)]


def test_one_wrong_product_is_named_in_coinbase_s_words() -> None:
    (event,) = subscribed(Coinbase(), "BTC/USD", "GIBBERISH/USD").read_frame(
        '{"type":"error","message":"Failed to subscribe",'
        '"reason":"GIBBERISH-USD is not a valid product"}'
    )
    assert event == SubscriptionRejected(
        "GIBBERISH/USD", "Failed to subscribe: GIBBERISH-USD is not a valid product", True
    )


@pytest.mark.parametrize(
    "frame",
    ["", "{}", '{"type":"match"}', '{"type":"weather"}', b"\x00\xff", '{"type":"heartbeat"}'],
)
def test_a_broken_frame_is_malformed(frame: str | bytes) -> None:
    (event,) = Coinbase().read_frame(frame)
    assert isinstance(event, Malformed)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b'{"message":"NotFound"}', UnknownProductError),
        (429, b'{"message":"Public rate limit exceeded"}', RateLimitedError),
        (200, b"[{", MalformedResponseError),
    ],
)
def test_errors_are_named(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        Coinbase().check(Response(status, {}, body))


class FakeHistory:
    """Rows by id, newest first, below ``after``."""

    def __init__(self, ids: list[int], time_of: Callable[[int], int]) -> None:
        self.ids = ids
        self.time_of = time_of
        self.calls = 0

    def __call__(self, request: Request) -> Response:
        self.calls += 1
        assert self.calls < 300, "the walk does not end"
        assert request.path == "/products/BTC-USD/trades"
        after = int(request.params.get("after", 1 << 62))
        ids = [i for i in self.ids if i < after][-int(request.params["limit"]) :]
        rows: list[dict[str, Any]] = [
            {
                "trade_id": i,
                "side": "sell",
                "size": "0.27426731",
                "price": "25820.42000000",
                "time": f"2023-09-10T13:{self.time_of(i) // 60:02d}:{self.time_of(i) % 60:02d}Z",
            }
            for i in reversed(ids)
        ]
        return Response(200, {}, json.dumps(rows).encode())


def ids_of(pages: list[Page]) -> list[int]:
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    return [int(trade.trade_id) for page in pages for trade in page.trades]


def test_history_after_an_id_is_paged_upwards_without_a_hole() -> None:
    history = FakeHistory(list(range(1, 4500)), lambda _: 0)
    pages = Coinbase().pages_after("BTC/USD", Position("1200", 0), history)
    assert ids_of(list(pages)) == list(range(1201, 4500))


def test_history_crosses_a_jump_of_ids_larger_than_a_page() -> None:
    history = FakeHistory([*range(1, 100), *range(50_000, 53_500)], lambda _: 0)
    pages = Coinbase().pages_after("BTC/USD", Position("90", 0), history)
    assert ids_of(list(pages)) == [*range(91, 100), *range(50_000, 53_500)]


@pytest.mark.parametrize("minute", [0, 7, 30, 59])
def test_history_from_a_time_begins_at_or_before_its_first_trade(minute: int) -> None:
    # 36,000 trades in an hour, ten a second
    history = FakeHistory(list(range(1, 36_001)), lambda i: (i - 1) // 10)
    from_us = rfc3339_us(f"2023-09-10T13:{minute:02d}:00Z")
    ids = ids_of(list(Coinbase().pages_from_time("BTC/USD", from_us, history)))
    first = minute * 600 + 1
    assert ids[0] <= first
    assert first - ids[0] <= 2_000, "it begins far before the time"
    assert ids == list(range(ids[0], 36_001))


def test_history_of_a_product_without_trades_is_empty() -> None:
    history = FakeHistory([], lambda _: 0)
    assert ids_of(list(Coinbase().pages_from_time("BTC/USD", 0, history))) == []


def test_refusal_names_the_product_itself_and_no_other_that_ends_alike() -> None:
    adapter = subscribed(Coinbase(), "BTC/USD", "WBTC/USD")
    reason = "WBTC-USD is not a valid product"
    frame = f'{{"type":"error","message":"Failed to subscribe","reason":"{reason}"}}'
    (event,) = adapter.read_frame(frame)
    assert isinstance(event, SubscriptionRejected)
    assert (event.product_id, event.is_unknown_product) == ("WBTC/USD", True)


def test_products_asked_for_again_keep_the_names_of_the_others() -> None:
    adapter = subscribed(Coinbase(), "BTC/USD", "ETH/USD")
    adapter.subscribe_frames(["ETH/USD"])
    (seen,) = adapter.read_frame(
        '{"type":"match","trade_id":10,"side":"sell","size":"1","price":"2",'
        '"product_id":"BTC-USD","time":"2026-01-05T12:00:00Z"}'
    )
    assert isinstance(seen, TradesSeen)
    assert seen.product_id == "BTC/USD"
