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


def test_live_trade_keeps_its_time_where_history_holds_it_too() -> None:
    stream = SharedIdStream(history_time_us=1_000_000)
    stream.resume(Position("10", 1_000_000))
    stream.live([trade(20, 5_700_000)])
    assert stream.history([trade(10, 1_000_000), trade(20, 5_000_000)]) == [
        Append("websocket", (trade(20, 5_700_000),))
    ]


def test_trade_of_history_is_no_earlier_than_the_one_before_it_in_its_second() -> None:
    stream = SharedIdStream(history_time_us=1_000_000)
    stream.resume(Position("20", 5_700_000), [Position("20", 5_700_000)])
    page = [trade(20, 5_000_000), trade(30, 5_000_000), trade(40, 5_000_000), trade(50, 6_000_000)]
    fetched = (trade(30, 5_700_000), trade(40, 5_700_000), trade(50, 6_000_000))
    assert stream.history(page) == [Append("rest", fetched)]
    assert stream.position == Position("50", 6_000_000)


def test_trade_of_history_follows_a_buffered_one_of_its_second() -> None:
    stream = SharedIdStream(history_time_us=1_000_000)
    stream.resume(Position("10", 1_000_000))
    stream.live([trade(20, 5_300_000), trade(40, 5_900_000)])
    page = [trade(each, 5_000_000) for each in (20, 30, 40)]
    assert stream.history(page) == [
        Append("websocket", (trade(20, 5_300_000),)),
        Append("rest", (trade(30, 5_300_000),)),
        Append("websocket", (trade(40, 5_900_000),)),
    ]


def test_exact_times_of_history_stay_as_they_are() -> None:
    stream = SharedIdStream()
    stream.resume(Position("20", 5_700_000), [Position("20", 5_700_000)])
    assert stream.history([trade(30, 5_600_000)]) == [Append("rest", (trade(30, 5_600_000),))]


def test_beginning_within_a_second_keeps_what_history_cannot_place() -> None:
    stream = SharedIdStream(history_time_us=1_000_000)
    stream.begin(5_500_000)
    stream.live([trade(30, 5_700_000)])
    assert stream.history([trade(10, 4_000_000), trade(20, 5_000_000), trade(30, 5_000_000)]) == [
        Begin(5_500_000),
        Append("rest", (trade(20, 5_000_000),)),
        Append("websocket", (trade(30, 5_700_000),)),
    ]


def test_page_that_lacks_a_live_trade_between_its_own_keeps_the_order() -> None:
    stream = SharedIdStream(history_time_us=1_000_000)
    stream.resume(Position("10", 1_000_000))
    stream.live([trade(25, 5_500_000)])
    assert stream.history([trade(20, 5_000_000), trade(30, 5_000_000)]) == [
        Append("rest", (trade(20, 5_000_000),)),
        Append("websocket", (trade(25, 5_500_000),)),
        Append("rest", (trade(30, 5_500_000),)),
    ]


def test_page_without_the_last_trade_still_follows_it() -> None:
    stream = SharedIdStream(history_time_us=1_000_000)
    stream.resume(Position("20", 5_700_000))
    assert stream.history([trade(30, 5_000_000)]) == [Append("rest", (trade(30, 5_700_000),))]
