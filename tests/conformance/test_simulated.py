"""Adapter and simulated protocol together, through real sockets."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import websocket

from exchange_simulator.protocols.protocol import Protocol
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    ExchangeAdapter,
    FrameEvent,
    Malformed,
    Page,
    Position,
    ReconnectAsked,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.http import RestFetcher, RetryPolicy
from ohlc_history.sources.page_cache import CachedFetch
from support.simulator import Simulator, start_simulator
from support.wait import wait_until
from support.websocket_frames import FrameReader

pytestmark = pytest.mark.service

START = "2026-01-05T12:00:00"
START_US = 1_767_614_400_000_000
_HOSTILE = ("web_page", "redirect", "deep", "bomb", "drip")
_REST_FAULTS = ("503", "500", "too_many_requests", "unavailable", "garbage", "empty", "slow")


@pytest.fixture
def simulator(protocol_name: str, product: str) -> Iterator[Simulator]:
    with start_simulator(
        exchange=protocol_name,
        product_ids=product,
        simulator_start=START,
        simulator_rate=40,
        simulator_history="2m",
        simulator_hold="first",
    ) as started:
        yield started


@pytest.fixture
def fetch(adapter: ExchangeAdapter, simulator: Simulator) -> Iterator[RestFetcher]:
    policy = RetryPolicy(attempts=6, first_seconds=0.01, max_seconds=0.05)
    fetcher = RestFetcher(adapter, simulator.rest_url, interval_seconds=0.0, policy=policy)
    yield fetcher
    fetcher.close()


class Client:
    """A websocket that subscribes and reads as the adapter says."""

    def __init__(self, adapter: ExchangeAdapter, simulator: Simulator, *products: str) -> None:
        self._adapter = adapter
        url = adapter.websocket_url(simulator.ws_url, products)
        self.reader = FrameReader(url)
        for frame in adapter.subscribe_frames(products):
            self.reader.socket.send(frame)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self.reader.close()

    def events(self) -> Iterator[FrameEvent]:
        while True:
            yield from self._adapter.read_frame(self.reader.next_text())

    def trades(self, count: int) -> list[Trade]:
        found: list[Trade] = []
        for event in self.events():
            if isinstance(event, TradesSeen):
                found += event.trades
                if len(found) >= count:
                    return found
        raise AssertionError


def truth(simulator: Simulator, product: str) -> list[dict[str, Any]]:
    return simulator.control.trades(product)


def unique_ids(pages: Iterator[Page]) -> list[int]:
    return sorted({int(trade.trade_id) for page in pages for trade in page.trades})


def test_live_trades_are_the_exchange_s_exactly(
    adapter: ExchangeAdapter, simulator: Simulator, product: str
) -> None:
    with Client(adapter, simulator, product) as client:
        trades = {trade.trade_id: trade for trade in client.trades(60)}
        known = {str(each["trade_id"]): each for each in truth(simulator, product)}
        for trade_id, trade in trades.items():
            true = known[trade_id]
            assert trade.price == Decimal(true["price"])
            assert trade.quantity == Decimal(true["quantity"])
            assert trade.side == true["side"]
            # the coarsest stamps are milliseconds
            assert 0 <= true["time_ns"] // 1_000 - trade.timestamp_us < 1_000


def test_subscription_is_acknowledged_by_the_configured_name(
    adapter: ExchangeAdapter, simulator: Simulator, product: str
) -> None:
    with Client(adapter, simulator, product) as client:
        assert next(e for e in client.events() if isinstance(e, Subscribed)) == Subscribed(product)


def test_ping_is_answered_within_the_time_of_silence(
    adapter: ExchangeAdapter, simulator: Simulator, product: str
) -> None:
    with Client(adapter, simulator, product) as client:
        next(e for e in client.events() if isinstance(e, Subscribed))
        simulator.control.pause()
        ping = adapter.ping_frame()
        if ping is not None:
            client.reader.socket.send(ping)
            answered = len(client.reader.texts)
            assert client.reader.next_text(adapter.silence_seconds)
            assert len(client.reader.texts) > answered


def test_unknown_product_is_refused_where_the_adapter_says_so(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher
) -> None:
    with pytest.raises(UnknownProductError):
        fetch(adapter.product_check("NOSUCH/USD"))
    if adapter.rejects_unknown_products:
        with Client(adapter, simulator, "NOSUCH/USD") as client:
            rejected = next(e for e in client.events() if isinstance(e, SubscriptionRejected))
            assert rejected.is_unknown_product
            assert rejected.product_id == "NOSUCH/USD"


def test_malformed_row_costs_only_itself(
    adapter: ExchangeAdapter, simulator: Simulator, product: str
) -> None:
    with Client(adapter, simulator, product) as client:
        client.trades(5)
        simulator.control.order({"fault": "garbage", "kind": "malformed_row"})
        assert next(e for e in client.events() if isinstance(e, Malformed))
        assert client.trades(5)


def test_request_to_reconnect_is_understood_where_the_protocol_has_one(
    adapter: ExchangeAdapter, protocol: type[Protocol], simulator: Simulator, product: str
) -> None:
    with Client(adapter, simulator, product) as client:
        client.trades(1)
        simulator.control.order({"fault": "reconnect"})
        if protocol.reconnect_asked is not Protocol.reconnect_asked:
            assert next(e for e in client.events() if isinstance(e, ReconnectAsked))


def test_history_from_a_time_holds_every_trade(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher, product: str
) -> None:
    known = truth(simulator, product)
    from_us = known[len(known) // 3]["time_ns"] // 1_000_000_000 * 1_000_000
    ids = unique_ids(adapter.pages_from_time(product, from_us, fetch))
    wanted = [each["trade_id"] for each in known if each["time_ns"] >= from_us * 1_000]
    assert ids[-len(wanted) :] == wanted


def test_history_after_a_trade_holds_every_later_one(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher, product: str
) -> None:
    known = truth(simulator, product)
    last = known[len(known) // 2]
    position = Position(str(last["trade_id"]), last["time_ns"] // 1_000)
    ids = unique_ids(adapter.pages_after(product, position, fetch))
    wanted = [each["trade_id"] for each in known if each["trade_id"] > last["trade_id"]]
    assert [each for each in ids if each > last["trade_id"]] == wanted


def test_history_is_whole_whatever_fails_on_the_way(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher, product: str
) -> None:
    known = [each["trade_id"] for each in truth(simulator, product)]
    position = Position(str(known[9]), START_US - 120_000_000)
    # a busy exchange may ask for a second's wait, so not every kind of it is played here
    for kind in (*_REST_FAULTS, *_HOSTILE):
        simulator.control.order({"fault": "rest", "kind": kind, "calls": 2, "seconds": 0.1})
        ids = unique_ids(adapter.pages_after(product, position, fetch))
        assert [each for each in ids if each > known[9]] == known[10:], kind


def test_row_of_history_that_is_no_trade_costs_only_itself(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher, product: str
) -> None:
    known = [each["trade_id"] for each in truth(simulator, product)]
    simulator.control.order({"fault": "rest", "kind": "bad_row"})
    last = known[0] - 1 if adapter.has_dense_ids else known[0]
    position = Position(str(last), START_US - 120_000_000)
    pages = list(adapter.pages_after(product, position, fetch))
    rejected = {row for page in pages for row in page.rejected}
    assert len(rejected) == 1
    assert "-1" in rejected.pop().reason
    assert len(set(known) - set(unique_ids(iter(pages)))) == 1


def test_history_already_fetched_costs_few_calls(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher, product: str, tmp_path: Path
) -> None:
    if not adapter.cursor_params:
        pytest.skip(f"{adapter.name} has no history whose pages become final")
    found = []
    for _ in range(2):
        cached = CachedFetch(fetch, adapter, tmp_path, simulator.rest_url)
        pages = []
        for page in adapter.pages_from_time(product, START_US - 90_000_000, cached):
            cached.page_came(has_trades=bool(page.trades))
            pages.append(page)
        found.append((unique_ids(iter(pages)), cached.calls))
    (first_ids, first_calls), (second_ids, second_calls) = found
    assert first_ids == second_ids
    assert second_calls < first_calls or second_calls <= 2


def test_official_candles_are_those_of_the_trades(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher, product: str
) -> None:
    minute_ms = 60_000
    begin_ms = START_US // 1_000 - minute_ms
    candles = adapter.official_candles(
        product, Interval.parse("1m"), begin_ms, begin_ms + minute_ms, fetch
    )
    if candles is None:
        pytest.skip(f"the candles of {adapter.name} are not compared")
    official = dict(candles)[begin_ms]
    inside = [
        each
        for each in truth(simulator, product)
        if begin_ms <= each["time_ns"] // 1_000_000 < begin_ms + minute_ms
    ]
    prices = [Decimal(each["price"]) for each in inside]
    assert official["open"] == prices[0]
    assert official["high"] == max(prices)
    assert official["low"] == min(prices)
    assert official["close"] == prices[-1]
    assert official["volume"] == sum(Decimal(each["quantity"]) for each in inside)


def test_exchange_s_time_is_its_own(
    adapter: ExchangeAdapter, simulator: Simulator, fetch: RestFetcher
) -> None:
    shown = adapter.exchange_time_us(fetch)
    assert shown is None or abs(shown - START_US) < 60_000_000


def test_connection_that_ends_is_noticed(
    adapter: ExchangeAdapter, simulator: Simulator, product: str
) -> None:
    with Client(adapter, simulator, product) as client:
        client.trades(1)
        simulator.control.order({"fault": "drop", "when": "now", "code": 1012})
        ended = client.reader.until_closed()
        assert isinstance(ended, websocket.WebSocketException | OSError)
        wait_until(
            lambda: simulator.control.state()["connections"] == 0, 10, "the connection is gone"
        )
