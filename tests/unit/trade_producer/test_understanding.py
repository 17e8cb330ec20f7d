"""A stream of which nothing is understood or used is not healthy, and one line says so."""

from decimal import Decimal

from ohlc_core.domain.trade import Trade
from trade_producer.stream_outputs import Append, Reject
from trade_producer.trade_stream import StreamState
from trade_producer.understanding import Understanding

TRADE = Trade("1", Decimal(1), Decimal(1), "buy", 1)


class World:
    def __init__(self, interval_seconds: float = 10.0) -> None:
        self.now = 0.0
        self.stream = Understanding(interval_seconds, lambda: self.now)


def test_stream_of_which_nothing_is_understood_is_a_problem() -> None:
    world = World()
    for _ in range(8):
        world.stream.malformed("time out of range")
        world.now += 1.0
    assert "time out of range" in world.stream.problem()
    world.stream.understood()
    assert world.stream.problem() == ""


def test_few_malformed_frames_among_others_are_no_problem() -> None:
    world = World()
    for _ in range(20):
        world.stream.malformed("cut off")
        world.stream.understood()
        world.now += 1.0
    assert world.stream.problem() == ""


def test_product_whose_trades_are_all_rejected_for_an_interval_is_a_problem() -> None:
    world = World(interval_seconds=10.0)
    world.stream.decided("BTC/USD", [Reject("too far ahead", (TRADE,))])
    world.stream.decided("ETH/USD", [Append("websocket", (TRADE,))])
    world.now = 9.0
    assert world.stream.problem() == ""
    world.now = 11.0
    assert world.stream.problem() == "", "one rejected trade of a quiet product"
    world.stream.decided("BTC/USD", [Reject("too far ahead", (TRADE,))])
    assert world.stream.problem() == "no trade is used of BTC/USD (too far ahead)"
    world.stream.decided("BTC/USD", [Append("websocket", (TRADE,))])
    assert world.stream.problem() == ""


def test_product_whose_trades_are_dropped_for_lower_ids_is_a_problem() -> None:
    world = World(interval_seconds=2.0)
    world.stream.note_state("BTC/USD", StreamState.IDS_LOWER.value)
    world.now = 3.0
    world.stream.note_state("BTC/USD", StreamState.IDS_LOWER.value)
    assert "BTC/USD" in world.stream.problem()
