import json
from typing import Any

import pytest

from exchange_simulator.faults.board import FaultBoard, Frame
from exchange_simulator.faults.model import Drop, Order, Refuse, Rest, Silence, Skip, read_orders
from exchange_simulator.market.trade_log import Row, TradeLog


def log_of(count: int) -> TradeLog:
    log = TradeLog()
    for number in range(count):
        log.append(Row(100 + number, 10, 5, False, True, number))
    return log


def board(*faults: dict[str, Any], seed: int = 1) -> FaultBoard:
    ordered = FaultBoard(seed, read_orders(json.dumps(faults).encode()))
    ordered.due(0)
    return ordered


def frames(ordered: FaultBoard, count: int = 6, size: int = 2) -> list[Frame]:
    return ordered.frames("A/USD", log_of(count), 0, count, size)


def ids(sent: list[Frame]) -> list[list[int]]:
    return [[row.trade_id for row in frame.rows] for frame in sent]


def test_without_faults_trades_come_in_order_and_in_frames_of_the_size() -> None:
    assert ids(frames(board())) == [[100, 101], [102, 103], [104, 105]]


def test_skipped_trades_stay_in_the_log_unless_withheld() -> None:
    log = log_of(6)
    ordered = board({"fault": "skip", "trades": 2})
    assert ids(ordered.frames("A/USD", log, 0, 6, 9)) == [[102, 103, 104, 105]]
    assert [row.trade_id for row in log.rows(0, 9)] == list(range(100, 106))
    ordered = board({"fault": "skip", "trades": 2, "withhold": True})
    assert ids(ordered.frames("A/USD", log, 0, 6, 9)) == [[102, 103, 104, 105]]
    assert [row.trade_id for row in log.rows(0, 9)] == list(range(102, 106))


def test_skips_of_another_product_wait() -> None:
    ordered = board({"fault": "skip", "product": "B/USD"})
    assert ids(frames(ordered)) == ids(frames(board()))
    assert ordered.pending


def test_repeated_frames_come_twice() -> None:
    ordered = board({"fault": "repeat"})
    assert ids(frames(ordered)) == [[100, 101], [100, 101], [102, 103], [104, 105]]
    assert not ordered.pending


def test_frames_are_swapped_with_their_next_ones() -> None:
    ordered = board({"fault": "reorder", "scope": "frames"})
    assert ids(frames(ordered)) == [[102, 103], [100, 101], [104, 105]]


def test_a_frame_without_a_next_one_is_given_up_in_the_end() -> None:
    ordered = board({"fault": "reorder", "scope": "frames"})
    assert frames(ordered, count=2) == []
    assert ids(ordered.held_back()) == [[100, 101]]
    assert ordered.held_back() == []


def test_shuffled_frames_keep_their_trades_and_are_seeded() -> None:
    [once] = ids(frames(board({"fault": "reorder"}), count=8, size=8))
    [again] = ids(frames(board({"fault": "reorder"}), count=8, size=8))
    [other] = ids(frames(board({"fault": "reorder"}, seed=2), count=8, size=8))
    assert once != sorted(once)
    assert sorted(once) == list(range(100, 108))
    assert once == again != other


def test_shuffling_waits_for_a_frame_that_has_an_order() -> None:
    ordered = board({"fault": "reorder"})
    assert ids(frames(ordered, count=1)) == [[100]]
    assert ordered.pending


def test_garbage_goes_before_a_frame_and_malformed_rows_in_it() -> None:
    first, second, third = frames(board({"fault": "garbage", "kind": "binary", "frames": 2}))
    assert (first.garbage, second.garbage, third.garbage) == ("binary", "binary", None)
    first, second, _ = frames(board({"fault": "garbage", "kind": "malformed_row"}))
    assert (first.malformed, second.malformed) == (True, False)


def test_mid_burst_cuts_a_burst_that_would_fit_one_frame() -> None:
    first, second = frames(board({"fault": "drop", "when": "mid_burst"}), count=5, size=9)
    assert (first.more, second.more) == (True, False)


def test_faults_wait_for_their_trade() -> None:
    ordered = FaultBoard(1, [Order(Silence(), 10), Order(Skip(), 4)])
    assert ordered.trades_until_next(0) == 4
    assert ordered.due(3) == []
    assert ordered.due(4) == []
    assert ordered.trades_until_next(4) == 6
    assert ordered.due(10) == [Silence()]
    assert ordered.trades_until_next(10) is None


def test_counts_are_spent_one_by_one() -> None:
    ordered = board({"fault": "refuse", "status": 429, "count": 2})
    assert [ordered.refused_handshake() for _ in range(3)] == [429, 429, None]
    ordered = board({"fault": "rest", "kind": "503", "calls": 2})
    calls = [ordered.rest("/0/public/Trades", is_trades=True) for _ in range(3)]
    assert [call is not None for call in calls] == [True, True, False]
    assert ordered.dealt == {"rest": 2}


def test_rest_faults_meet_only_their_path() -> None:
    ordered = board({"fault": "rest", "kind": "500", "path": "OHLC"})
    assert ordered.rest("/0/public/Trades", is_trades=True) is None
    assert ordered.rest("/0/public/OHLC", is_trades=False) is not None


def test_rest_faults_without_a_path_meet_calls_for_trades() -> None:
    ordered = board({"fault": "rest", "kind": "500"})
    assert ordered.rest("/0/public/OHLC", is_trades=False) is None
    assert ordered.rest("/transactions/", is_trades=True) is not None


def test_drops_meet_their_moment_only() -> None:
    ordered = board({"fault": "drop", "when": "after_frames", "after_frames": 3, "code": 1012})
    assert ordered.drop("mid_frame", "mid_burst", "before_ack") is None
    assert ordered.drop_after(2) is None
    assert ordered.drop_after(3) == Drop("after_frames", 3, 1012)
    assert ordered.drop_after(4) is None


def test_cleared_faults_are_gone() -> None:
    ordered = board({"fault": "refuse"}, {"fault": {"fault": "skip"}, "at_trades": 5})
    ordered.clear()
    assert ordered.pending == []
    assert ordered.refused_handshake() is None


def test_faults_are_read_alone_in_lists_and_with_moments() -> None:
    assert read_orders(b'{"fault":"refuse"}') == [Order(Refuse())]
    body = b'[{"fault":{"fault":"rest","kind":"slow"},"at_trades":7},{"fault":"silence"}]'
    assert read_orders(body) == [Order(Rest("slow"), 7), Order(Silence())]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"fault":"earthquake"}',
        b'{"fault":"drop","when":"later"}',
        b'{"fault":"repeat","frames":0}',
        b'{"fault":"repeat","frame":1}',
        b'{"fault":"rest","kind":"teapot"}',
    ],
)
def test_wrong_faults_are_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(ValueError, match="faults were") as error:
        read_orders(body)
    assert "\n" not in str(error.value)
