"""Binance's frames and answers, against recordings of its streams."""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    Alive,
    ExchangeUnavailableError,
    Malformed,
    MalformedResponseError,
    Page,
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
from ohlc_exchanges.binance.adapter import Binance
from support.adapters import subscribed
from support.market_data import market_file


def recorded_trades(day: str) -> Iterator[str]:
    path = market_file(f"binance/ws_hft/spot_btcusdt_{day}.gz")
    with gzip.open(path, "rt") as lines:
        for line in lines:
            frame = line.partition(" ")[2]
            if '"e":"trade"' in frame:
                yield frame


@pytest.fixture(scope="module")
def recorded() -> list[str]:
    return [*recorded_trades("20240808"), *recorded_trades("20240809")]


def test_every_recorded_trade_is_read_exactly(recorded: list[str]) -> None:
    adapter = subscribed(Binance(), "BTC/USDT")
    for frame in recorded[::50]:
        raw = json.loads(frame)["data"]
        alive, seen = adapter.read_frame(frame)
        assert alive == Alive(raw["E"] * 1_000)
        side = "sell" if raw["m"] else "buy"
        trade = Trade(str(raw["t"]), Decimal(raw["p"]), Decimal(raw["q"]), side, raw["T"] * 1_000)
        assert seen == TradesSeen("BTC/USDT", (trade,), is_snapshot=False)


def test_recorded_ids_run_on_across_midnight_and_both_files(recorded: list[str]) -> None:
    adapter = Binance()
    ids = []
    for frame in recorded:
        _, seen = adapter.read_frame(frame)
        assert isinstance(seen, TradesSeen)
        ids.append(int(seen.trades[0].trade_id))
    assert len(ids) > 1_000
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_raw_frame_means_the_same_as_a_wrapped_one(recorded: list[str]) -> None:
    adapter = Binance()
    inner = json.dumps(json.loads(recorded[0])["data"])
    assert adapter.read_frame(inner) == adapter.read_frame(recorded[0])


def test_the_answer_to_the_subscription_acknowledges_all() -> None:
    assert subscribed(Binance(), "BTC/USDT", "ETH/USDT").read_frame('{"result":null,"id":1}') == [
        Subscribed("BTC/USDT"),
        Subscribed("ETH/USDT"),
    ]


def test_a_refused_request_is_no_unknown_product() -> None:
    (event,) = subscribed(Binance(), "BTC/USDT").read_frame(
        '{"code":2,"msg":"Invalid request: x","id":1}'
    )
    assert event == SubscriptionRejected("", "Invalid request: x (code 2)")


def test_the_announced_shutdown_asks_to_reconnect() -> None:
    (event,) = Binance().read_frame('{"e":"serverShutdown","E":1770123456789}')
    assert isinstance(event, ReconnectAsked)


@pytest.mark.parametrize(
    "frame",
    ["", "{}", '{"e":"trade","s":"BTCUSDT"}', '{"e":"weather"}', b"\xff", '{"stream":"x"}'],
)
def test_a_broken_frame_is_malformed(frame: str | bytes) -> None:
    (event,) = Binance().read_frame(frame)
    assert isinstance(event, Malformed)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', UnknownProductError),
        (429, b'{"code":-1003,"msg":"Too many requests"}', RateLimitedError),
        (418, b'{"code":-1003,"msg":"banned"}', RateLimitedError),
        (503, b"", ExchangeUnavailableError),
    ],
)
def test_errors_are_named(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        Binance().check(Response(status, {"Retry-After": "7"}, body))


def test_the_wait_that_binance_asks_for_is_passed_on() -> None:
    with pytest.raises(RateLimitedError) as raised:
        Binance().check(Response(429, {"Retry-After": "7"}, b""))
    assert raised.value.retry_after_seconds == 7.0


T0_MS = 1_735_689_600_000


class FakeHistory:
    """Trades 1 .. n, one a second; aggregates of three."""

    def __init__(self, count: int, limit: int = 10) -> None:
        self.ids = range(1, count + 1)
        self.limit = limit

    def __call__(self, request: Request) -> Response:
        if request.path == "/api/v3/aggTrades":
            start = int(request.params["startTime"]) - T0_MS
            first = next((i for i in self.ids if i * 1_000 >= start and i % 3 == 1), None)
            return self._answer([] if first is None else [{"a": 1, "f": first, "l": first + 2}])
        assert request.path == "/api/v3/historicalTrades"
        start = int(request.params["fromId"])
        rows = [
            {
                "id": i,
                "price": "4.0",
                "qty": "1.5",
                "time": T0_MS + i * 1_000,
                "isBuyerMaker": False,
            }
            for i in self.ids
            if i >= start
        ]
        return self._answer(rows[: self.limit])

    @staticmethod
    def _answer(rows: object) -> Response:
        return Response(200, {}, json.dumps(rows).encode())


def ids_of(pages: Iterator[Page]) -> list[int]:
    return [int(trade.trade_id) for page in pages for trade in page.trades]


def test_history_after_an_id_is_paged_by_id() -> None:
    pages = Binance().pages_after("BTC/USDT", Position("17", 0), FakeHistory(45))
    assert ids_of(pages) == list(range(18, 46))


def test_history_from_a_time_begins_with_the_aggregate_s_first_trade() -> None:
    pages = Binance().pages_from_time("BTC/USDT", T0_MS * 1_000 + 10_000_000, FakeHistory(45))
    assert ids_of(pages) == list(range(10, 46))


def test_history_from_a_time_after_the_last_trade_is_empty() -> None:
    assert (
        ids_of(Binance().pages_from_time("BTC/USDT", T0_MS * 1_000 + 10**12, FakeHistory(5))) == []
    )


def test_history_that_does_not_advance_is_an_error() -> None:
    history = FakeHistory(45)
    stuck = history(Request("/api/v3/historicalTrades", {"fromId": "1"}))
    pages = Binance().pages_after("BTC/USDT", Position("40", 0), lambda _request: stuck)
    with pytest.raises(MalformedResponseError, match="asked for ids from 41 and ended at 10"):
        next(pages)


def test_microseconds_are_understood_as_such() -> None:
    frame = (
        '{"e":"trade","E":1735689600010866,"s":"BTCUSDT","t":7,"p":"1.0","q":"2",'
        '"T":1735689600010866,"m":true,"M":true}'
    )
    alive, seen = subscribed(Binance(), "BTC/USDT").read_frame(frame)
    assert alive == Alive(1_735_689_600_010_866)
    assert isinstance(seen, TradesSeen)
    assert seen.trades[0].timestamp_us == 1_735_689_600_010_866


def test_time_of_an_unknown_unit_is_reported_as_not_understood() -> None:
    frame = (
        '{"e":"trade","E":1735689600,"s":"BTCUSDT","t":7,"p":"1.0","q":"2",'
        '"T":1735689600,"m":true,"M":true}'
    )
    (event,) = Binance().read_frame(frame)
    assert isinstance(event, Malformed)
    assert "perhaps its unit is another" in event.reason
