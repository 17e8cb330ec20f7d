"""Kraken's frames and answers, most of them recorded from the exchange itself."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    Alive,
    ExchangeError,
    ExchangeUnavailableError,
    Malformed,
    MalformedResponseError,
    Position,
    RateLimitedError,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.decoding import rfc3339_us
from ohlc_exchanges.kraken.adapter import Kraken
from ohlc_exchanges.kraken.symbols import rest_pair
from support.market_data import market_file

KRAKEN = Kraken()
NS = 1_000_000_000
T0 = 1_790_000_000 * NS


# --- live frames ------------------------------------------------------------------------------


def recorded_frames() -> list[str]:
    return (
        market_file("kraken/ws_v2/kraken_v2_trade_BTCUSD_ETHUSD_20260926.jsonl")
        .read_text()
        .splitlines()
    )


def test_recorded_session_gives_status_acks_snapshots_heartbeats_and_updates() -> None:
    events = [event for frame in recorded_frames() for event in KRAKEN.read_frame(frame)]
    assert events[0] == Alive(maintenance=False, words="online")
    assert [event for event in events if isinstance(event, Subscribed)] == [
        Subscribed("BTC/USD"),
        Subscribed("ETH/USD"),
    ]
    assert Alive(rfc3339_us("2026-09-26T18:09:11.775279Z")) in events
    assert not any(isinstance(event, Malformed) for event in events)
    seen = [event for event in events if isinstance(event, TradesSeen)]
    assert [(each.product_id, len(each.trades), each.is_snapshot) for each in seen] == [
        ("BTC/USD", 50, True),
        ("ETH/USD", 50, True),
        ("BTC/USD", 1, False),
        ("BTC/USD", 1, False),
    ]


def test_ids_run_on_from_the_recorded_snapshot_to_the_updates() -> None:
    ids = [
        int(trade.trade_id)
        for frame in recorded_frames()
        for event in KRAKEN.read_frame(frame)
        if isinstance(event, TradesSeen) and event.product_id == "BTC/USD"
        for trade in event.trades
    ]
    assert ids == list(range(109183836, 109183888))


def test_a_recorded_trade_keeps_every_digit() -> None:
    frame = recorded_frames()[3]
    (seen,) = KRAKEN.read_frame(frame)
    assert isinstance(seen, TradesSeen)
    assert seen.trades[0] == Trade(
        "109183836", Decimal("84098.4"), Decimal("0.04661621"), "buy", 1790446074626190
    )


def ws_trade(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USD",
        "side": "buy",
        "price": 84098.4,
        "qty": 0.5,
        "ord_type": "limit",
        "trade_id": 7,
        "timestamp": "2026-09-26T18:07:54.626190Z",
        **changes,
    }


def ws_frame(*trades: dict[str, Any], kind: str = "update") -> str:
    return json.dumps({"channel": "trade", "type": kind, "data": trades})


def test_a_price_in_scientific_notation_is_read_exactly() -> None:
    frame = ws_frame(ws_trade()).replace("84098.4", "5.1e-05")
    (seen,) = KRAKEN.read_frame(frame)
    assert isinstance(seen, TradesSeen)
    assert seen.trades[0].price == Decimal("0.000051")


def test_every_trade_of_a_frame_is_read_and_split_by_product_in_id_order() -> None:
    frame = ws_frame(
        ws_trade(trade_id=9), ws_trade(symbol="ETH/USD", trade_id=3), ws_trade(trade_id=8)
    )
    assert [
        (event.product_id, [trade.trade_id for trade in event.trades])
        for event in KRAKEN.read_frame(frame)
        if isinstance(event, TradesSeen)
    ] == [("BTC/USD", ["8", "9"]), ("ETH/USD", ["3"])]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("not json", "malformed"),
        ("[]", "array"),
        (b"\xff\xfe", "malformed"),
        ('{"channel":"trade","type":"update","data":{}}', "array"),
        ('{"surprise":1}', "undocumented"),
        ('{"method":"pong","time_out":"yesterday"}', "no time of RFC 3339"),
    ],
)
def test_a_broken_frame_is_malformed_with_its_reason(frame: str | bytes, reason: str) -> None:
    (event,) = KRAKEN.read_frame(frame)
    assert isinstance(event, Malformed)
    assert reason in event.reason
    assert event.payload


@pytest.mark.parametrize(
    "broken",
    [
        {"price": None},
        {"price": -1},
        {"price": "abc"},
        {"side": "hold"},
        {"timestamp": "2026-09-26T18:07:54.626190"},
        {"qty": 1e300},
    ],
)
def test_a_broken_trade_costs_only_itself(broken: dict[str, Any]) -> None:
    events = KRAKEN.read_frame(ws_frame(ws_trade(trade_id=8, **broken), ws_trade(trade_id=9)))
    kinds = {type(event) for event in events}
    assert kinds == {Malformed, TradesSeen}
    seen = next(event for event in events if isinstance(event, TradesSeen))
    assert [trade.trade_id for trade in seen.trades] == ["9"]


def test_an_unknown_symbol_is_rejected_in_kraken_s_words() -> None:
    frame = (
        '{"error":"Currency pair not supported XBT/EUR","method":"subscribe","success":false,'
        '"symbol":"XBT/EUR","time_in":"2026-01-01T00:00:00.000000Z",'
        '"time_out":"2026-01-01T00:00:00.000001Z"}'
    )
    assert SubscriptionRejected(
        "XBT/EUR", "Currency pair not supported XBT/EUR", is_unknown_product=True
    ) in KRAKEN.read_frame(frame)


def test_a_passing_refusal_is_no_unknown_product() -> None:
    frame = '{"error":"Exceeded msg rate","method":"subscribe","success":false}'
    assert KRAKEN.read_frame(frame) == [SubscriptionRejected("", "Exceeded msg rate")]


def test_already_subscribed_counts_as_subscribed() -> None:
    frame = '{"error":"Already subscribed","method":"subscribe","success":false,"symbol":"A/B"}'
    assert KRAKEN.read_frame(frame) == [Subscribed("A/B")]


def test_maintenance_is_reported_apart_from_an_online_system() -> None:
    frame = '{"channel":"status","type":"update","data":[{"system":"maintenance"}]}'
    assert KRAKEN.read_frame(frame) == [Alive(maintenance=True, words="maintenance")]


def test_pong_gives_the_exchanges_time() -> None:
    assert KRAKEN.read_frame(
        '{"method":"pong","req_id":2,"time_in":"2023-09-25T09:21:10.428340Z",'
        '"time_out":"2023-09-25T09:21:10.428375Z"}'
    ) == [Alive(1695633670428375)]


def test_the_subscription_asks_for_the_snapshot() -> None:
    (frame,) = KRAKEN.subscribe_frames(["BTC/USD", "ETH/USD"])
    assert json.loads(frame)["params"] == {
        "channel": "trade",
        "symbol": ["BTC/USD", "ETH/USD"],
        "snapshot": True,
    }


# --- REST answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product_id", "pair"),
    [("BTC/USD", "XBTUSD"), ("DOGE/BTC", "XDGXBT"), ("GRT/ETH", "GRTETH")],
)
def test_rest_names_are_kraken_s_old_ones(product_id: str, pair: str) -> None:
    assert rest_pair(product_id) == pair


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b'{"error":["EGeneral:Too many requests"]}', RateLimitedError),
        (200, b'{"error":["EAPI:Rate limit exceeded"]}', RateLimitedError),
        (200, b'{"error":["EService: Throttled: 1700000000"]}', RateLimitedError),
        (200, b'{"error":["EQuery:Unknown asset pair"]}', UnknownProductError),
        (200, b'{"error":["EService:Unavailable"]}', ExchangeUnavailableError),
        (200, b'{"error":["EGeneral:Internal error"]}', ExchangeUnavailableError),
        (200, b'{"error":["EGeneral:Invalid arguments"]}', ExchangeError),
        (200, b"<html>", ExchangeUnavailableError),
        (200, b"oops", MalformedResponseError),
        (200, b'{"error":["EGeneral:Temporary lockout"]}', RateLimitedError),
        (403, b"<!DOCTYPE html><title>Just a moment...", ExchangeUnavailableError),
        (403, b'{"error":["EGeneral:Permission denied"]}', ExchangeError),
        (200, b'{"error":[],"result":{"XXBTZUSD":[', MalformedResponseError),
        (429, b"slow down", RateLimitedError),
        (503, b"", ExchangeUnavailableError),
        (404, b"no such page", ExchangeError),
    ],
)
def test_errors_are_named(status: int, body: bytes, error: type[ExchangeError]) -> None:
    with pytest.raises(error) as raised:
        KRAKEN.check(Response(status, {}, body))
    assert type(raised.value) is error


def test_a_good_answer_passes() -> None:
    KRAKEN.check(Response(200, {}, b'{"error":[],"result":{"XXBTZUSD":[],"last":"1"}}'))


# --- history ----------------------------------------------------------------------------------


class FakeHistory:
    """A server of rows (id, ns) with Kraken's cursor, in either reading of it."""

    def __init__(self, rows: list[tuple[int, int]], *, limit: int, inclusive: bool = True) -> None:
        self.rows = rows
        self.limit = limit
        self.inclusive = inclusive
        self.last_of: Callable[[int], str] = str
        self.calls: list[int] = []

    def __call__(self, request: Request) -> Response:
        since = int(request.params["since"])
        self.calls.append(since)
        assert len(self.calls) < 500, "the cursor does not move"
        page = [row for row in self.rows if row[1] >= since + (not self.inclusive)][: self.limit]
        body = {
            "error": [],
            "result": {
                "XXBTZUSD": [
                    ["84098.40000", "0.5", round(ns / NS, 7), "b", "l", "", trade_id]
                    for trade_id, ns in page
                ],
                "last": self.last_of(page[-1][1] if page else since),
            },
        }
        return Response(200, {}, json.dumps(body).encode())


def ids_from(pages: Iterator[Any]) -> list[int]:
    listed = list(pages)
    assert [page.more for page in listed] == [True] * (len(listed) - 1) + [False]
    return [int(trade.trade_id) for page in listed for trade in page.trades]


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("group", [1, 4, 9])
def test_pages_hold_every_trade_once_whatever_the_cursor_means(inclusive: bool, group: int) -> None:
    # groups of equal nanosecond stamps, cut by the page's end
    rows = [(100 + i, T0 + (i // group) * 1_000) for i in range(60)]
    history = FakeHistory(rows, limit=10, inclusive=inclusive)
    pages = KRAKEN.pages_from_time("BTC/USD", T0 // 1_000, history)
    assert ids_from(pages) == list(range(100, 160))


@pytest.mark.parametrize("last", ["", "168", "soon"])
def test_a_missing_or_short_last_does_not_lose_trades(last: str) -> None:
    rows = [(100 + i, T0 + i * 5_000_000) for i in range(60)]
    history = FakeHistory(rows, limit=10)
    history.last_of = lambda _ns: last
    assert ids_from(KRAKEN.pages_from_time("BTC/USD", T0 // 1_000, history)) == list(
        range(100, 160)
    )


def test_a_crowd_of_one_stamp_larger_than_a_page_does_not_stop_the_cursor() -> None:
    rows = [(100 + i, T0) for i in range(25)] + [(125, T0 + 10**6)]
    history = FakeHistory(rows, limit=10)
    ids = ids_from(KRAKEN.pages_from_time("BTC/USD", T0 // 1_000, history))
    # what no cursor can reach stays a visible gap in the ids; nothing is doubled
    assert ids == [*range(100, 110), 125]


def test_pages_after_a_position_begin_behind_it_and_reach_back_to_it() -> None:
    rows = [(100 + i, T0 + i * NS) for i in range(30)]
    history = FakeHistory(rows, limit=10)
    # the position's time is wrong by more than the margin: the first page leaves a gap
    position = Position("105", (T0 + 8 * NS) // 1_000)
    pages = KRAKEN.pages_after("BTC/USD", position, history)
    assert ids_from(pages) == list(range(106, 130))
    assert history.calls[1] < history.calls[0]


def test_a_jump_within_a_page_is_passed_on_without_looking_back() -> None:
    rows = [(100, T0), (101, T0 + 1), (105, T0 + NS), (106, T0 + NS)]
    history = FakeHistory(rows, limit=10)
    pages = KRAKEN.pages_after("BTC/USD", Position("100", T0 // 1_000), history)
    assert ids_from(pages) == [101, 105, 106]
    # each look back is a call, and a second of the exchange's limit
    assert history.calls == sorted(history.calls)


def test_a_page_that_begins_behind_a_jump_is_passed_on_after_looking_back() -> None:
    rows = [(100, T0 - 120 * NS), (105, T0 + NS), (106, T0 + NS)]
    history = FakeHistory(rows, limit=10)
    pages = KRAKEN.pages_after("BTC/USD", Position("100", T0 // 1_000), history)
    assert ids_from(pages) == [105, 106]
    assert min(history.calls) < T0 - 60 * NS


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize(
    ("ns", "timestamp_us"),
    [(-400, -1), (-60, -1), (-2, -1), (-1, -1), (0, 0), (60, 0), (400, 0)],
)
def test_a_time_rounded_up_to_a_whole_second_is_settled_by_the_cursor(
    inclusive: bool, ns: int, timestamp_us: int
) -> None:
    rows = [(100, T0 - NS // 3), (101, T0 + ns), (102, T0 + NS // 3)]
    history = FakeHistory(rows, limit=10, inclusive=inclusive)
    pages = list(KRAKEN.pages_from_time("BTC/USD", (T0 - NS) // 1_000, history))
    stamps = [trade.timestamp_us for page in pages for trade in page.trades]
    assert stamps[1] == T0 // 1_000 + timestamp_us
    assert stamps == sorted(stamps)


def test_whole_second_stamps_are_believed_without_further_calls() -> None:
    rows = [(100 + i, T0 + i * NS) for i in range(5)]
    history = FakeHistory(rows, limit=10)
    pages = list(KRAKEN.pages_from_time("BTC/USD", (T0 - NS) // 1_000, history))
    stamps = [trade.timestamp_us for page in pages for trade in page.trades]
    assert stamps == [ns // 1_000 for _, ns in rows]
    assert T0 - 1 not in history.calls


def test_a_row_that_is_no_trade_costs_only_itself() -> None:
    rows = [["1", "1", 1688669597.8 + i, "b", "m", "", 1 + i] for i in range(4)]
    rows[1][0] = "0"
    rows[2][2] = "soon"
    body = {"error": [], "result": {"X": rows, "last": "1688669600800000000"}}

    def fetch(_request: Request) -> Response:
        return Response(200, {}, json.dumps(body).encode())

    page = next(KRAKEN.pages_from_time("BTC/USD", 0, fetch))
    assert [trade.trade_id for trade in page.trades] == ["1", "4"]
    assert ["price" in row.reason for row in page.rejected] == [True, False]
    assert all('"m"' in row.payload for row in page.rejected)


def test_history_that_does_not_advance_is_an_error() -> None:
    rows = [["1", "1", 1688669597.8 + i, "b", "m", "", 1 + i] for i in range(4)]
    body = {"error": [], "result": {"X": rows, "last": "1688669600800000000"}}

    def fetch(_request: Request) -> Response:
        return Response(200, {}, json.dumps(body).encode())

    with pytest.raises(MalformedResponseError, match="does not advance"):
        list(KRAKEN.pages_from_time("BTC/USD", 0, fetch))


def test_warnings_stand_beside_a_valid_result() -> None:
    KRAKEN.check(Response(200, {}, b'{"error":["WGeneral:Deprecated"],"result":{}}'))


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("ns", [-60, -1, 0, 60])
def test_times_are_settled_beside_another_whole_second(inclusive: bool, ns: int) -> None:
    rows = [(100, T0 - NS), (101, T0 + ns), (102, T0 + NS // 3), (103, T0 + 2 * NS)]
    history = FakeHistory(rows, limit=10, inclusive=inclusive)
    pages = list(KRAKEN.pages_from_time("BTC/USD", (T0 - 2 * NS) // 1_000, history))
    stamps = [trade.timestamp_us for page in pages for trade in page.trades]
    assert stamps[1] == T0 // 1_000 - (ns < 0)
    assert (stamps[0], stamps[3]) == ((T0 - NS) // 1_000, (T0 + 2 * NS) // 1_000)


def test_the_newest_trade_is_settled_where_nothing_follows_it() -> None:
    history = FakeHistory([(100, T0 - NS // 3), (101, T0 - 60)], limit=10, inclusive=True)
    pages = list(KRAKEN.pages_from_time("BTC/USD", (T0 - NS) // 1_000, history))
    stamps = [trade.timestamp_us for page in pages for trade in page.trades]
    assert stamps[1] == T0 // 1_000 - 1


def test_tokenised_stocks_are_asked_for_with_their_asset_class() -> None:
    request = KRAKEN.product_check("AAPLx/USD")
    assert request.params["pair"] == "AAPLxUSD"
    assert request.params["asset_class"] == "tokenized_asset"
    assert "asset_class" not in KRAKEN.product_check("BTC/USD").params


def recorded_history(request: Request) -> Response:
    """Answer like the recorded exchange: the page whose end lies behind the cursor."""
    since = int(request.params["since"])
    index = market_file("kraken/rest_pages/index.json")
    bodies = [path.read_bytes() for path in index.parent.glob("GRTETH_*.json")]
    later = [body for body in bodies if int(json.loads(body)["result"]["last"]) > since]
    empty = b'{"error":[],"result":{"GRTETH":[],"last":"%d"}}' % since
    return Response(
        200, {}, min(later, key=lambda body: json.loads(body)["result"]["last"], default=empty)
    )


def test_recorded_pages_without_ids_get_unique_ascending_made_ones() -> None:
    ids = ids_from(KRAKEN.pages_from_time("GRT/ETH", 1616889600 * 10**6, recorded_history))
    index = market_file("kraken/rest_pages/index.json")
    bodies = [json.loads(path.read_bytes()) for path in index.parent.glob("GRTETH_*.json")]
    assert len(ids) == sum(len(body["result"]["GRTETH"]) for body in bodies)
    assert ids == sorted(set(ids))
    assert ids[0] == 1616889746905800_000


def test_pages_without_ids_that_overlap_are_not_counted_twice() -> None:
    rows = [["1", "1", 1600000000.0 + i, "b", "l", ""] for i in range(10)]

    def fetch(request: Request) -> Response:
        since = int(request.params["since"])
        page = [row for row in rows if int(row[2]) * NS >= since][:4]  # type: ignore[call-overload]
        last = str(int(page[-1][2]) * NS)  # type: ignore[call-overload]
        return Response(
            200, {}, json.dumps({"error": [], "result": {"A": page, "last": last}}).encode()
        )

    assert len(ids_from(KRAKEN.pages_from_time("A/B", 1600000000 * 10**6, fetch))) == 10


def test_recorded_official_rows_are_read_exactly() -> None:
    body = market_file("kraken/rest_official/dev_cut/Trades_before_21Z.json").read_bytes()
    pages = KRAKEN.pages_from_time("BTC/USDT", 0, lambda _request: Response(200, {}, body))
    trades = next(pages).trades
    assert len(trades) == 488
    assert trades[0] == Trade(
        "10218208", Decimal("105433.6"), Decimal("0.00027625"), "buy", 1762795433971744
    )
