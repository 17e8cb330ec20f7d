"""Single rules of contiguity that the random worlds meet too rarely."""

from decimal import Decimal

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.contiguity import ProductStream
from trade_producer.stream_outputs import Append, Begin, Gap


def trade(trade_id: int, time_us: int = 1_000) -> Trade:
    return Trade(str(trade_id), Decimal(1), Decimal(1), "buy", time_us)


def resumed(last_id: int = 10) -> ProductStream:
    stream = ProductStream(dense=True)
    stream.resume(Position(str(last_id), 1_000))
    return stream


def test_the_next_id_is_appended_and_a_known_one_is_dropped() -> None:
    stream = resumed()
    assert stream.live([trade(10), trade(11)]) == [Append("websocket", (trade(11),))]
    assert stream.dropped == 1
    assert stream.is_current


def test_what_follows_a_hole_waits_for_history() -> None:
    stream = resumed()
    assert stream.live([trade(13)]) == []
    missing = stream.missing
    assert missing is not None
    assert (missing.after, missing.until_id) == (Position("10", 1_000), 13)
    assert stream.history([trade(11), trade(12)]) == [
        Append("rest", (trade(11), trade(12))),
        Append("websocket", (trade(13),)),
    ]
    assert (stream.holes, stream.filled) == (1, 1)


def test_a_newest_trade_told_but_not_seen_is_asked_for_once() -> None:
    stream = resumed()
    stream.live([trade(11)])
    stream.told_newest(11)
    assert stream.is_current
    stream.told_newest(13)
    missing = stream.missing
    assert missing is not None
    assert missing.after == Position("11", 1_000)
    stream.history([trade(12)])
    stream.history_ended(is_newest=True)
    assert stream.is_current, "history did not confirm the thirteenth"
    stream.told_newest(13)
    assert stream.is_current
    assert stream.live([trade(13)]) == [Append("websocket", (trade(13),))]


def test_a_newest_trade_told_ahead_of_its_frame_needs_no_history() -> None:
    stream = resumed()
    stream.live([trade(11)])
    stream.told_newest(12)
    assert not stream.is_current
    assert stream.live([trade(12)]) == [Append("websocket", (trade(12),))]
    assert stream.is_current


def test_giving_up_names_exactly_the_missing_ids() -> None:
    stream = resumed()
    stream.live([trade(15)])
    stream.history([trade(12)])
    assert stream.give_up(reach=15) == [
        Gap(11, 11),
        Append("rest", (trade(12),)),
        Gap(13, 14),
        Append("websocket", (trade(15),)),
    ]
    assert stream.unresolved == 3
    assert stream.is_current


def test_a_hole_that_was_not_asked_for_is_not_given_up_with_the_first() -> None:
    stream = resumed()
    stream.live([trade(12), trade(20)])
    assert stream.give_up(reach=12) == [Gap(11, 11), Append("websocket", (trade(12),))]
    missing = stream.missing
    assert missing is not None
    assert missing.until_id == 20


def test_trades_between_the_snapshot_and_the_beginning_are_not_appended() -> None:
    stream = ProductStream(dense=True)
    stream.begin(2_000)
    assert stream.live([trade(5, 1_000)]) == [Begin(2_000)]
    assert stream.live([trade(6, 1_999)]) == []
    assert stream.live([trade(7, 2_000)]) == [Append("websocket", (trade(7, 2_000),))]
    # after the first, the order of ids alone counts
    assert stream.live([trade(8, 1_999)]) == [Append("websocket", (trade(8, 1_999),))]


def test_parked_trades_beyond_the_bound_are_let_go_and_asked_for_later() -> None:
    stream = ProductStream(dense=True, max_parked=2)
    stream.resume(Position("10", 1_000))
    stream.live([trade(i) for i in range(12, 20)])
    assert stream.parked == 2
    stream.history([trade(11)])
    assert stream.position == Position("13", 1_000)
    assert not stream.is_current
    assert stream.missing is not None


def test_after_a_connection_nothing_is_current_until_ids_prove_it() -> None:
    stream = resumed()
    stream.live([trade(11)])
    stream.connected()
    assert not stream.is_current
    stream.live([trade(9), trade(10)])
    assert not stream.is_current, "an old frame proves nothing"
    stream.live([trade(10), trade(11)])
    assert stream.is_current
