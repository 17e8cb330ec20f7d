"""Single rules of contiguity that the random worlds meet too rarely."""

from decimal import Decimal

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.dense_ids import DenseIdStream
from trade_producer.stream_outputs import Append, Begin, Gap


def trade(trade_id: int, time_us: int = 1_000) -> Trade:
    return Trade(str(trade_id), Decimal(1), Decimal(1), "buy", time_us)


def resumed(last_id: int = 10) -> DenseIdStream:
    stream = DenseIdStream()
    stream.resume(Position(str(last_id), 1_000))
    return stream


def test_next_id_is_appended_and_known_id_is_dropped() -> None:
    stream = resumed()
    assert stream.live([trade(10), trade(11)]) == [Append("websocket", (trade(11),))]
    assert stream.dropped == 1
    assert stream.is_current


def test_trade_behind_gap_waits_for_history() -> None:
    stream = resumed()
    assert stream.live([trade(13)]) == []
    missing = stream.missing
    assert missing is not None
    assert (missing.after, missing.until_id) == (Position("10", 1_000), 13)
    assert stream.history([trade(11), trade(12)]) == [
        Append("rest", (trade(11), trade(12))),
        Append("websocket", (trade(13),)),
    ]
    assert (stream.gaps_opened, stream.gaps_filled) == (1, 1)


def test_reported_newest_trade_not_seen_is_asked_for_once() -> None:
    stream = resumed()
    stream.live([trade(11)])
    stream.reported_newest(11)
    assert stream.is_current
    stream.reported_newest(13)
    missing = stream.missing
    assert missing is not None
    assert missing.after == Position("11", 1_000)
    stream.history([trade(12)])
    stream.history_ended(is_newest=True)
    assert stream.is_current, "history did not confirm the thirteenth"
    stream.reported_newest(13)
    assert stream.is_current
    assert stream.live([trade(13)]) == [Append("websocket", (trade(13),))]


def test_newest_trade_reported_ahead_of_its_frame_needs_no_history() -> None:
    stream = resumed()
    stream.live([trade(11)])
    stream.reported_newest(12)
    assert not stream.is_current
    assert stream.live([trade(12)]) == [Append("websocket", (trade(12),))]
    assert stream.is_current


def test_gaps_name_exactly_the_missing_ids() -> None:
    stream = resumed()
    stream.live([trade(15)])
    stream.history([trade(12)])
    assert stream.give_up(reach=15) == [
        Gap(11, 11),
        Append("rest", (trade(12),)),
        Gap(13, 14),
        Append("websocket", (trade(15),)),
    ]
    assert stream.ids_unresolved == 3
    assert stream.is_current


def test_gap_not_asked_for_is_not_given_up_with_the_first() -> None:
    stream = resumed()
    stream.live([trade(12), trade(20)])
    assert stream.give_up(reach=12) == [Gap(11, 11), Append("websocket", (trade(12),))]
    missing = stream.missing
    assert missing is not None
    assert missing.until_id == 20


def test_trades_between_snapshot_and_beginning_are_not_appended() -> None:
    stream = DenseIdStream()
    stream.begin(2_000)
    assert stream.live([trade(5, 1_000)]) == [Begin(2_000)]
    assert stream.live([trade(6, 1_999)]) == []
    assert stream.live([trade(7, 2_000)]) == [Append("websocket", (trade(7, 2_000),))]
    # after the first, the order of ids alone counts
    assert stream.live([trade(8, 1_999)]) == [Append("websocket", (trade(8, 1_999),))]


def test_trades_beyond_max_buffered_are_dropped_and_asked_for_later() -> None:
    stream = DenseIdStream(max_buffered=2)
    stream.resume(Position("10", 1_000))
    stream.live([trade(i) for i in range(12, 20)])
    assert stream.buffered == 2
    stream.history([trade(11)])
    assert stream.position == Position("13", 1_000)
    assert not stream.is_current
    assert stream.missing is not None


def test_stream_is_not_current_after_connection_until_ids_prove_it() -> None:
    stream = resumed()
    stream.live([trade(11)])
    stream.suspect_missing()
    assert not stream.is_current
    stream.live([trade(9), trade(10)])
    assert not stream.is_current, "an old frame proves nothing"
    stream.live([trade(10), trade(11)])
    assert stream.is_current
