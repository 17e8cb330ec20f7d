"""Every fault, seen by a client."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websocket

from support.simulator import Simulator, start_simulator
from support.wait import wait_until
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service

SUBSCRIBE = {
    "method": "subscribe",
    "params": {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False},
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with start_simulator(
        simulator_rate=1000, simulator_history="5s", product_ids="BTC/USD"
    ) as started:
        yield started


def is_trades(message: Message) -> bool:
    return message.get("channel") == "trade"


def subscribed(simulator: Simulator) -> FrameReader:
    reader = FrameReader(simulator.ws_url)
    reader.send(SUBSCRIBE)
    reader.until(lambda message: message.get("method") == "subscribe")
    return reader


def ids_until(reader: FrameReader, count: int) -> list[int]:
    """Return at least this many ids, as they come; frames that are no JSON are passed over."""
    ids: list[int] = []
    while len(ids) < count:
        try:
            message = json.loads(reader.next_text())
        except ValueError:
            continue
        if is_trades(message):
            ids += [row["trade_id"] for row in message["data"]]
    return ids


def ids_past(simulator: Simulator, reader: FrameReader, fault: str, times: int) -> list[int]:
    """Return the ids up to some that came after a fault was dealt this often."""
    control = simulator.control
    wait_until(lambda: control.state()["faults_dealt"].get(fault) == times, 20, fault)
    newest = control.state()["products"]["BTC/USD"]["last_id"]
    ids = ids_until(reader, 1)
    while ids[-1] < newest:
        ids += ids_until(reader, 1)
    return ids + ids_until(reader, 50)


def test_drop_before_the_ack(simulator: Simulator) -> None:
    simulator.control.order({"fault": "drop", "when": "before_ack"})
    with FrameReader(simulator.ws_url) as reader:
        reader.send(SUBSCRIBE)
        reader.until_closed()
        assert len(reader.texts) == 1, "the status and nothing else"
    with subscribed(simulator):
        assert simulator.control.state()["faults_dealt"] == {"drop": 1}


def test_drop_in_the_middle_of_a_frame(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "drop", "when": "mid_frame"})
        raw = reader.socket.sock
        assert raw is not None
        received = b""
        while chunk := raw.recv(1 << 16):
            received += chunk
    cut = last_frame(received)
    assert b'"channel":"trade"' in cut
    assert not cut.endswith(b"}]}")
    assert simulator.control.state()["faults_dealt"] == {"drop": 1}


def last_frame(received: bytes) -> bytes:
    """Return what came of the last websocket frame, which is less than its header says."""
    while True:
        length, at = received[1], 2
        if length == 126:
            length, at = int.from_bytes(received[2:4], "big"), 4
        if len(received) < at + length:
            return received[at:]
        received = received[at + length :]


def test_drop_between_two_frames_of_one_moment(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "drop", "when": "mid_burst"})
        reader.until_closed()
        last = json.loads(reader.texts[-1])["data"][-1]
    truth = simulator.control.trades("BTC/USD", from_id=last["trade_id"])
    assert truth[1]["time_ns"] - truth[0]["time_ns"] < 10**9


def test_drop_after_frames_with_a_close_code(simulator: Simulator) -> None:
    simulator.control.order(
        {"fault": "drop", "when": "after_frames", "after_frames": 4, "code": 1012, "count": 2}
    )
    for _ in range(2):
        with FrameReader(simulator.ws_url) as reader:
            reader.send(SUBSCRIBE)
            frames = 0
            while True:
                opcode, payload = reader.socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    break
                frames += is_trades(json.loads(payload))
        assert frames == 4
        assert int.from_bytes(payload[:2], "big") == 1012


def test_drop_now_ends_every_connection(simulator: Simulator) -> None:
    with subscribed(simulator) as first, subscribed(simulator) as second:
        simulator.control.order({"fault": "drop"})
        first.until_closed()
        second.until_closed()


@pytest.mark.parametrize("status", [429, 503])
def test_refused_handshakes(simulator: Simulator, status: int) -> None:
    simulator.control.order({"fault": "refuse", "status": status, "count": 2})
    for _ in range(2):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            FrameReader(simulator.ws_url)
        assert refused.value.status_code == status
    subscribed(simulator).close()


def test_silence_keeps_tcp_open_and_loses_what_happens(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        ids = ids_until(reader, 1)
        simulator.control.order({"fault": "silence", "seconds": 1.0})
        deadline = time.monotonic() + 20
        while max(b - a for a, b in itertools.pairwise([*ids, ids[-1]])) < 50:
            ids += ids_until(reader, 1)
            assert time.monotonic() < deadline, "no trade was lost"
        assert simulator.control.state()["connections"] == 1


def test_silence_without_an_end_answers_nothing(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "silence"})
        wait_until(lambda: is_silent(reader), 10, "nothing comes any more")
        reader.send({"method": "ping"})
        assert is_silent(reader)


def is_silent(reader: FrameReader) -> bool:
    try:
        reader.next_text(timeout=1.2)
    except websocket.WebSocketTimeoutException:
        return True
    return False


def test_skipped_ids_are_on_rest_and_not_on_the_websocket(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        ids = ids_until(reader, 1)
        simulator.control.order({"fault": "skip", "trades": 3})
        ids += ids_past(simulator, reader, "skip", 3)
    missing = set(range(ids[0], ids[-1] + 1)) - set(ids)
    first = max(missing) - 2
    assert sorted(missing) == [first, first + 1, first + 2]
    assert missing <= set(rest_ids(simulator, since=time_of(simulator, first)))


def test_withheld_ids_are_nowhere_but_in_the_truth(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        ids = ids_until(reader, 1)
        simulator.control.order({"fault": "skip", "trades": 3, "withhold": True})
        ids += ids_past(simulator, reader, "skip", 3)
    missing = set(range(ids[0], ids[-1] + 1)) - set(ids)
    assert len(missing) == 3
    on_rest = set(rest_ids(simulator, since=time_of(simulator, ids[0])))
    assert ids[0] in on_rest
    assert not missing & on_rest
    truth = {t["trade_id"] for t in simulator.control.trades("BTC/USD") if t["withheld"]}
    assert truth == missing
    with FrameReader(simulator.ws_url) as reader:
        params = {**SUBSCRIBE["params"], "snapshot": True}  # type: ignore[dict-item]
        reader.send({"method": "subscribe", "params": params})
        [*_, snapshot] = reader.until(is_trades)
    assert not missing & {row["trade_id"] for row in snapshot["data"]}


def rest(simulator: Simulator, **params: str) -> httpx.Response:
    return httpx.get(
        f"{simulator.rest_url}/0/public/Trades", params={"pair": "XBTUSD", **params}, timeout=10
    )


def rest_ids(simulator: Simulator, **params: str) -> list[int]:
    return [row[6] for row in rest(simulator, **params).json()["result"]["XXBTZUSD"]]


def time_of(simulator: Simulator, trade_id: int) -> str:
    return str(simulator.control.trades("BTC/USD", trade_id, trade_id)[0]["time_ns"])


def test_jumped_ids_never_exist(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        ids = ids_until(reader, 1)
        simulator.control.order({"fault": "jump", "product": "BTC/USD", "ids": 1000})
        ids += ids_past(simulator, reader, "jump", 1)
    steps = [b - a for a, b in itertools.pairwise(ids) if b - a != 1]
    assert steps == [1001]
    truth = simulator.control.ids("BTC/USD")
    assert ids == truth[truth.index(ids[0]) : truth.index(ids[-1]) + 1]


def test_repeated_frames(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "repeat", "frames": 5})
        wait_until(lambda: repeated(reader) == 5, 20, "five frames come twice", every=0)
        ids_until(reader, 50)
        assert repeated(reader) == 5


def repeated(reader: FrameReader) -> int:
    """Read on; return how many frames so far came right after their equal."""
    ids_until(reader, 1)
    return sum(
        before == after and '"type":"update"' in str(before)
        for before, after in itertools.pairwise(reader.texts)
    )


@pytest.mark.parametrize("scope", ["frame", "frames"])
def test_reordered_trades(simulator: Simulator, scope: str) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "reorder", "scope": scope, "frames": 3})
        ids = ids_past(simulator, reader, "reorder", 3)
    assert ids != sorted(ids)
    assert sorted(ids) == list(range(min(ids), min(ids) + len(ids)))


def test_delayed_frames_come_late_and_in_order(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        ids_until(reader, 1)
        simulator.control.order({"fault": "delay", "seconds": 0.7})
        longest, last = 0.0, time.monotonic()
        ids: list[int] = []
        while longest <= 0.6 or len(ids) < 100:
            ids += ids_until(reader, 1)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize("kind", ["not_json", "truncated", "binary", "unknown_channel"])
def test_garbage_comes_between_good_frames(simulator: Simulator, kind: str) -> None:
    with subscribed(simulator) as reader:
        ids_until(reader, 1)
        simulator.control.order({"fault": "garbage", "kind": kind, "frames": 3})
        ids = ids_past(simulator, reader, "garbage", 3)
    bad = [text for text in reader.texts if is_bad(text)]
    assert len(bad) == 3
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def is_bad(text: str | bytes) -> bool:
    try:
        return bool(json.loads(text).get("channel") == "weather")
    except ValueError:
        return True


def test_malformed_rows_replace_good_ones(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "garbage", "kind": "malformed_row"})
        ids_past(simulator, reader, "garbage", 1)
    rows = [row for text in reader.texts for row in json.loads(text).get("data", [])]
    assert [row.get("price") for row in rows].count("n/a") == 1


def test_maintenance_is_announced_everywhere(simulator: Simulator) -> None:
    with subscribed(simulator) as reader:
        simulator.control.order({"fault": "status", "system": "maintenance"})
        [*_, status] = reader.until(lambda message: message.get("channel") == "status")
    assert status["data"][0]["system"] == "maintenance"
    answer = httpx.get(f"{simulator.rest_url}/0/public/SystemStatus").json()
    assert answer["result"]["status"] == "maintenance"
    with FrameReader(simulator.ws_url) as late:
        assert late.next()["data"][0]["system"] == "maintenance"


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("429", 429, None),
        ("503", 503, None),
        ("500", 500, None),
        ("too_many_requests", 200, {"error": ["EGeneral:Too many requests"]}),
        ("unavailable", 200, {"error": ["EService:Unavailable"]}),
        ("garbage", 200, None),
        ("empty", 200, None),
    ],
)
def test_spoiled_rest_answers(simulator: Simulator, kind: str, status: int, body: Any) -> None:
    simulator.control.order({"fault": "rest", "kind": kind, "calls": 2})
    for _ in range(2):
        response = rest(simulator)
        assert response.status_code == status
        if body is not None:
            assert response.json() == body
        else:
            with pytest.raises(ValueError):
                response.json()["result"]
    assert rest_ids(simulator)


def test_slow_rest(simulator: Simulator) -> None:
    simulator.control.order({"fault": "rest", "kind": "slow", "seconds": 0.5})
    started = time.monotonic()
    assert rest_ids(simulator)
    assert time.monotonic() - started > 0.5


def test_stale_page_lacks_the_newest_trades(simulator: Simulator) -> None:
    simulator.control.pause()
    fresh = rest_ids(simulator)
    simulator.control.order({"fault": "rest", "kind": "stale", "trades": 30})
    assert rest_ids(simulator)[-1] == fresh[-31]
    assert rest_ids(simulator) == fresh


def test_spoiled_cursors(simulator: Simulator) -> None:
    simulator.control.order({"fault": "rest", "kind": "no_last"})
    assert "last" not in rest(simulator).json()["result"]
    simulator.control.order({"fault": "rest", "kind": "bad_last"})
    assert len(rest(simulator).json()["result"]["last"]) == 10


def test_exclusive_cursor_loses_the_tail_of_a_group_of_one_stamp(simulator: Simulator) -> None:
    simulator.control.pause()
    trades = simulator.control.trades("BTC/USD")
    stamp, ids = next(
        (stamp, ids)
        for stamp in {trade["time_ns"] for trade in trades}
        if len(ids := [trade["trade_id"] for trade in trades if trade["time_ns"] == stamp]) > 1
    )
    assert rest_ids(simulator, since=str(stamp), count="1") == ids[:1]
    simulator.control.order({"fault": "rest", "kind": "exclusive"})
    assert rest_ids(simulator, since=str(stamp), count="1") == [ids[-1] + 1]


def test_cleared_faults_do_not_happen(simulator: Simulator) -> None:
    simulator.control.order({"fault": "refuse"}, {"fault": {"fault": "drop"}, "at_trades": 10**9})
    assert len(simulator.control.state()["faults_pending"]) == 2
    simulator.control.clear()
    assert simulator.control.state()["faults_pending"] == []
    subscribed(simulator).close()


@pytest.mark.parametrize(
    "fault", [{"fault": "earthquake"}, {"fault": "jump", "product": "NO/NE"}, {}, []]
)
def test_wrong_faults_are_refused(simulator: Simulator, fault: Any) -> None:
    response = httpx.post(
        f"{simulator.rest_url}/control/faults", json=[fault] if fault != [] else "x"
    )
    assert response.status_code == 400
    assert "\n" not in response.json()["error"]
