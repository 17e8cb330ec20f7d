"""The feed keeps one subscribed connection: replaced when dead, overlapped when old."""

import json
import random
from typing import Any

import pytest

from ohlc_exchanges.base import Subscribed, TradesSeen
from ohlc_exchanges.kraken.adapter import Kraken
from trade_producer.connection import Closed, FrameArrived, Inbox, Opened
from trade_producer.feed import Feed, FeedEvent, Heard, Lost

PRODUCTS = ("BTC/USD", "ETH/USD")


class FakeConnection:
    """Notes what is done to it."""

    made: list["FakeConnection"]

    def __init__(self, number: int, url: str, frames: list[str], *_: Any) -> None:
        self.number, self.url, self.frames = number, url, frames
        self.is_closed = self.is_dropped = False
        self.sent: list[str | None] = []
        FakeConnection.made.append(self)

    def open(self) -> None:
        self.is_open = True

    def send(self, frame: str | None) -> None:
        self.sent.append(frame)

    def close(self) -> None:
        self.is_closed = True

    def drop(self) -> None:
        self.is_dropped = True

    def join(self, timeout: float) -> None:
        assert timeout > 0


class World:
    """A feed whose time and connections the test drives."""

    def __init__(self, max_age: float | None = None) -> None:
        FakeConnection.made = []
        self.now = 0.0
        self.feed = Feed(
            Kraken(),
            "",
            PRODUCTS,
            Inbox(),
            max_age_seconds=max_age,
            random_=random.Random(0),
            connect=FakeConnection,  # type: ignore[arg-type]
        )

    @property
    def connections(self) -> list[FakeConnection]:
        return FakeConnection.made

    def tick(self, seconds: float = 0.0) -> list[FeedEvent]:
        self.now += seconds
        return self.feed.tick(self.now)

    def frame(self, number: int, message: dict[str, Any]) -> list[FeedEvent]:
        arrived = FrameArrived(number, json.dumps(message).encode(), 0)
        return self.feed.handle(arrived, self.now)

    def ack(self, number: int, *products: str) -> list[FeedEvent]:
        events: list[FeedEvent] = []
        for product in products or PRODUCTS:
            events += self.frame(
                number, {"method": "subscribe", "success": True, "result": {"symbol": product}}
            )
        return events

    def trade(self, number: int, trade_id: int) -> list[FeedEvent]:
        row = {
            "symbol": "BTC/USD",
            "side": "buy",
            "price": 1.5,
            "qty": 1,
            "trade_id": trade_id,
            "timestamp": "2026-01-01T00:00:00.000001Z",
        }
        return self.frame(number, {"channel": "trade", "type": "update", "data": [row]})

    def connect(self) -> None:
        self.tick()
        self.feed.handle(Opened(len(self.connections)), self.now)
        self.ack(len(self.connections))


def trade_ids(events: list[FeedEvent]) -> list[str]:
    return [
        trade.trade_id
        for event in events
        if isinstance(event, Heard) and isinstance(event.event, TradesSeen)
        for trade in event.event.trades
    ]


def test_feed_is_subscribed_when_every_product_is_acknowledged() -> None:
    world = World()
    world.tick()
    world.feed.handle(Opened(1), 0.0)
    world.ack(1, "BTC/USD")
    assert not world.feed.is_subscribed
    world.ack(1, "ETH/USD")
    assert world.feed.is_subscribed


@pytest.mark.parametrize("handshake", [True, False])
def test_failed_connection_is_made_again_after_a_wait(handshake: bool) -> None:
    world = World()
    world.tick()
    if handshake:
        world.feed.handle(Opened(1), 0.0)
    assert world.feed.handle(Closed(1, "503"), world.now) == [Lost("503")]
    world.tick(0.5)
    assert len(world.connections) == 2
    world.feed.handle(Closed(2, "503"), world.now)
    world.tick(0.4)
    assert len(world.connections) == 2, "the second wait is at least half a second"
    world.tick(0.7)
    assert len(world.connections) == 3


def test_silent_connection_is_dropped() -> None:
    world = World()
    world.connect()
    world.tick(4.9)
    assert not world.connections[0].is_dropped
    world.tick(0.2)
    assert world.connections[0].is_dropped


def test_connection_without_all_acknowledgements_is_dropped() -> None:
    world = World()
    world.tick()
    world.feed.handle(Opened(1), 0.0)
    world.ack(1, "BTC/USD")
    for _ in range(12):
        world.tick(1.0)
        world.frame(1, {"channel": "heartbeat"})
    assert world.connections[0].is_dropped


def test_exchange_is_pinged_every_second() -> None:
    world = World()
    world.connect()
    for _ in range(3):
        world.tick(1.0)
        world.frame(1, {"channel": "heartbeat"})
    assert world.connections[0].sent == [Kraken().ping_frame()] * 3


def test_old_connection_is_replaced_with_an_overlap_that_loses_nothing() -> None:
    world = World(max_age=100.0)
    world.connect()
    seen: list[str] = []
    for _ in range(99):
        world.tick(1.0)
        world.frame(1, {"channel": "heartbeat"})
    assert len(world.connections) == 2
    world.feed.handle(Opened(2), world.now)
    world.ack(2)
    seen += trade_ids(world.trade(1, 7))
    seen += trade_ids(world.trade(2, 7))
    seen += trade_ids(world.trade(2, 8))
    assert seen == ["7"], "the new connection waits until the old one has drained"
    assert not world.connections[0].is_closed
    seen += trade_ids(world.tick(2.0))
    assert world.connections[0].is_closed
    seen += trade_ids(world.trade(2, 9))
    assert seen == ["7", "7", "8", "9"]
    assert trade_ids(world.trade(1, 10)) == [], "the old one is not heard any more"
    assert world.feed.is_subscribed


def test_connection_that_dies_during_the_overlap_is_a_loss() -> None:
    world = World(max_age=100.0)
    world.connect()
    for _ in range(99):
        world.tick(1.0)
        world.frame(1, {"channel": "heartbeat"})
    world.feed.handle(Opened(2), world.now)
    world.ack(2)
    world.trade(2, 8)
    events = world.feed.handle(Closed(1, "gone"), world.now)
    assert events[0] == Lost("gone")
    assert [event.event for event in events[1:3] if isinstance(event, Heard)] == [
        Subscribed(product) for product in PRODUCTS
    ]
    assert trade_ids(events) == ["8"]
    assert world.feed.is_subscribed


def test_maintenance_slows_reconnecting() -> None:
    world = World()
    world.connect()
    world.frame(1, {"channel": "status", "type": "update", "data": [{"system": "maintenance"}]})
    world.feed.handle(Closed(1, "bye"), world.now)
    world.tick(4.9)
    assert len(world.connections) == 1
    world.tick(0.2)
    assert len(world.connections) == 2


def refusal(product: str, error: str) -> dict[str, Any]:
    return {"method": "subscribe", "success": False, "symbol": product, "error": error}


def test_delisted_product_costs_the_others_nothing_and_is_asked_for_seldom() -> None:
    world = World()
    world.tick()
    world.feed.handle(Opened(1), world.now)
    world.ack(1, "BTC/USD")
    world.frame(1, refusal("ETH/USD", "Currency pair not supported ETH/USD"))
    assert world.feed.is_subscribed
    world.feed.handle(Closed(1, "gone"), world.now)
    world.tick(1.0)
    assert "ETH/USD" not in world.connections[1].frames[0]
    world.feed.handle(Opened(2), world.now)
    world.ack(2, "BTC/USD")
    assert world.feed.is_subscribed
    for _ in range(700):
        world.tick(1.0)
        world.frame(2, {"channel": "heartbeat"})
    asked = [frame for frame in world.connections[1].sent if frame and "ETH/USD" in frame]
    assert len(asked) == 1
    assert not world.connections[1].is_dropped


def test_product_refused_for_too_many_messages_is_asked_for_again_on_the_connection() -> None:
    world = World()
    world.tick()
    world.feed.handle(Opened(1), world.now)
    world.ack(1, "BTC/USD")
    world.frame(1, refusal("ETH/USD", "Exceeded msg rate"))
    assert not world.feed.is_subscribed
    world.tick(1.1)
    asked = [frame for frame in world.connections[0].sent if frame and "ETH/USD" in frame]
    assert len(asked) == 1
    world.ack(1, "ETH/USD")
    assert world.feed.is_subscribed
    assert len(world.connections) == 1


def test_one_product_that_makes_the_exchange_refuse_all_is_left_out_at_once() -> None:
    world = World()
    world.tick()
    world.feed.handle(Opened(1), world.now)
    world.frame(1, refusal("ETH/USD", "Currency pair not supported ETH/USD"))
    world.tick(1.1)
    asked = [frame for frame in world.connections[0].sent if frame and "BTC/USD" in frame]
    assert len(asked) == 1
    assert "ETH/USD" not in str(asked)


def test_refusal_of_a_product_nobody_asked_for_changes_nothing() -> None:
    world = World()
    world.connect()
    world.frame(1, refusal("DOGE/USD", "Currency pair not supported DOGE/USD"))
    world.tick(2.0)
    assert world.feed.is_subscribed
    assert all("subscribe" not in (frame or "") for frame in world.connections[0].sent)


def test_frame_nested_too_deep_is_malformed_and_ends_nothing() -> None:
    world = World()
    world.connect()
    deep = b"[" * 100_000
    events = world.feed.handle(FrameArrived(1, deep, 0), world.now)
    assert [type(event.event).__name__ for event in events if isinstance(event, Heard)] == [
        "Malformed"
    ]


def test_exchange_is_asked_for_its_time_at_once() -> None:
    world = World()
    world.feed.ask_time(world.now)  # no connection yet
    world.connect()
    world.tick(0.4)
    world.feed.ask_time(world.now)
    world.tick(0.7)
    assert world.connections[0].sent == [Kraken().ping_frame()], "the next one is a second later"
