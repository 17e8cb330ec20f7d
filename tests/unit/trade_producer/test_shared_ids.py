"""Single rules of contiguity where ids are shared between products."""

from decimal import Decimal

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.shared_ids import SharedIdStream
from trade_producer.stream_outputs import Append, Begin
from trade_producer.trade_stream import StreamState


def trade(trade_id: int, time_us: int) -> Trade:
    return Trade(str(trade_id), Decimal(1), Decimal(1), "buy", time_us)


def test_giving_up_on_history_is_a_start_for_what_may_be_missing() -> None:
    stream = SharedIdStream()
    stream.resume(Position("10", 1_000))
    assert stream.live([trade(20, 5_000)]) == []
    assert stream.give_up() == [Begin(5_001), Append("websocket", (trade(20, 5_000),))]
    assert stream.is_current


def test_stream_stays_behind_history_after_the_buffer_overflowed() -> None:
    stream = SharedIdStream(max_buffered=1)
    stream.resume(Position("10", 1_000))
    stream.live([trade(20, 5_000), trade(30, 6_000)])
    assert stream.history_ended(is_newest=True) == [Append("websocket", (trade(20, 5_000),))]
    assert stream.state is StreamState.CATCHING_UP
    assert stream.history([trade(30, 6_000)]) == [Append("rest", (trade(30, 6_000),))]
    stream.history_ended(is_newest=True)
    assert stream.is_current
