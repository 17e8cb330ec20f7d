"""The order of keeping and committing, and what happens while the store does not keep."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from feature_writer.batch import Rejected
from feature_writer.dead_letters import DeadLetterTopic
from feature_writer.patient_store import PatientStore, Written
from feature_writer.settings import WriterSettings
from feature_writer.writer import FeatureWriter
from ohlc_core.domain.candle import Candle
from ohlc_core.errors import AppendFailedError, FatalError
from ohlc_core.kafka.member import GroupMember, Membership
from ohlc_core.messages.codec import encode_candle
from ohlc_core.service.health import Health
from ohlc_core.service.settings import load
from ohlc_features.errors import (
    StoreError,
    StoreLostError,
    StoreRejectedError,
    StoreUnavailableError,
)
from support.candle_records import candle


class FakeMessage:
    def __init__(self, offset: int, value: bytes | None) -> None:
        self._offset, self._value = offset, value

    def value(self) -> bytes | None:
        return self._value

    def key(self) -> bytes:
        return b"kraken:BTC/USD"

    def topic(self) -> str:
        return "ohlc"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_790_000_000_000)


class World:
    """A topic, a store, a dead-letter topic and a clock, and the log of what was done to them."""

    topic = "ohlc"

    def __init__(self, *values: bytes | None) -> None:
        self.log: list[str] = []
        self.unread = [FakeMessage(n, value) for n, value in enumerate(values)]
        self._all = list(self.unread)
        self._position = self._committed = 0
        self._is_gone = False
        self.is_file_deleted = False
        self.store_failures: list[StoreError] = []
        self.letter_failures = 0
        self.letters: list[Rejected] = []
        self.kept: list[Candle] = []
        self.now = 0.0
        self.is_paused = False
        self.is_stuck = False
        self.health = Health(lambda: self.now)
        self.stop = threading.Event()
        self.at_read: Callable[[], None] = lambda: None
        self._member: Membership | None = None
        self.reads_left = 200

    # the consumer
    def subscribe(self, membership: Membership) -> None:
        self._member = membership

    def read(self, count: int, timeout: float) -> list[FakeMessage]:
        self.now += timeout
        self.reads_left -= 1
        if not self.reads_left:
            self.stop.set()
        self.at_read()
        if self.is_paused or self.is_stuck:
            return []
        taken, self.unread = self.unread[:count], self.unread[count:]
        if taken:
            self._position = taken[-1].offset() + 1
        return taken

    def has_unread(self) -> bool:
        return bool(self.unread)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def rewind(self) -> None:
        self.unread = list(self._all)
        self._position = self._committed = 0
        self.log.append("rewind")

    def uncommitted(self) -> dict[int, int]:
        return {} if self._is_gone or self._position == self._committed else {0: self._position}

    def commit(self) -> None:
        self.log.append(f"commit 0:{self._position}")
        self._committed = self._position

    def lose_partition(self) -> None:
        assert self._member is not None
        self._is_gone = True
        self._member.gone([0])

    def lag(self, partition: int, offset: int) -> int:
        return 0

    def close(self) -> None:
        assert self._member is not None
        self._member.before_revoke()
        self.log.append("leave")

    # the store
    def write(self, candles: Sequence[Candle]) -> int:
        if self.store_failures:
            self.log.append("write failed")
            raise self.store_failures.pop(0)
        self.kept.extend(candles)
        self.log.append(f"write {len(candles)}")
        return 0

    def is_lost(self) -> bool:
        return self.is_file_deleted

    def reopen(self) -> None:
        self.is_file_deleted = False
        self.kept.clear()
        self.log.append("reopen")

    # the dead-letter topic
    def send(self, rejected: Sequence[Rejected]) -> None:
        if rejected and self.letter_failures:
            self.letter_failures -= 1
            raise AppendFailedError("down")
        self.letters.extend(rejected)
        if rejected:
            self.log.append(f"reject {len(rejected)}")

    def run(self, **settings: Any) -> None:
        world = cast("Any", self)
        FeatureWriter(
            load(WriterSettings, **settings),
            cast("GroupMember", world),
            PatientStore(world, 5),
            cast("DeadLetterTopic", world),
            health=self.health,
            monotonic=lambda: self.now,
        ).run(self.stop)


def _bytes(*candles: Candle) -> list[bytes]:
    return [encode_candle(each) for each in candles]


def test_offsets_are_committed_only_after_the_store_has_kept_the_batch() -> None:
    world = World(*_bytes(candle(0), candle(1)))
    world.run()
    assert world.log == ["write 2", "commit 0:2", "leave"]


@pytest.mark.parametrize("is_stuck", [True, False])
def test_health_shows_a_consumer_that_reads_nothing_of_what_there_is(is_stuck: bool) -> None:
    world = World(*_bytes(candle(0)))
    world.is_stuck = is_stuck
    world.health.expect("reading", 15)
    world.run()  # for 20 s
    healthy, parts = world.health.report()
    assert healthy is not is_stuck, parts


def test_batches_are_no_larger_than_configured() -> None:
    world = World(*_bytes(*(candle(n) for n in range(5))))
    world.run(write_batch_size=2)
    assert [line for line in world.log if line.startswith("write")] == [
        "write 2",
        "write 2",
        "write 1",
    ]


def test_failing_store_pauses_reading_and_nothing_is_dropped_or_committed_meanwhile() -> None:
    world = World(*_bytes(candle(0), candle(1), candle(2)))
    world.store_failures = [StoreUnavailableError("locked") for _ in range(4)]
    paused_while_failing: list[bool] = []

    def look() -> None:
        if "write failed" in world.log and "write 2" not in world.log:
            paused_while_failing.append(world.is_paused)

    world.at_read = look
    world.run(write_batch_size=2)
    assert world.log == ["write failed"] * 4 + [
        "write 2",
        "commit 0:2",
        "write 1",
        "commit 0:3",
        "leave",
    ]
    assert len(paused_while_failing) > 4  # it kept polling
    assert all(paused_while_failing)
    assert not world.is_paused


def test_store_is_left_alone_for_as_long_as_it_asks() -> None:
    world = World(*_bytes(candle()))
    world.store_failures = [StoreUnavailableError("too many requests", retry_after=7.0)]
    failed_at: list[float] = []
    world.at_read = lambda: failed_at.append(world.now) if world.log == ["write failed"] else None
    world.run()
    assert failed_at[-1] - failed_at[0] >= 6.9
    assert world.kept == [candle()]


def test_service_gives_up_after_the_configured_time_without_committing() -> None:
    world = World(*_bytes(candle()))
    world.store_failures = [StoreUnavailableError("disk is full") for _ in range(1_000)]
    world.reads_left = 10_000
    with pytest.raises(FatalError, match=r"WRITE_RETRY_SECONDS.*disk is full"):
        world.run(write_retry_seconds=5)
    assert set(world.log) == {"write failed", "leave"}


def test_store_that_refuses_for_good_ends_the_service_at_once() -> None:
    world = World(*_bytes(candle()))
    world.store_failures = [StoreRejectedError("wrong key")]
    with pytest.raises(FatalError, match="wrong key"):
        world.run()
    assert world.log == ["write failed", "leave"]


def test_stop_keeps_and_commits_what_was_read() -> None:
    world = World(*_bytes(candle()))
    world.at_read = world.stop.set
    world.run()
    assert world.log == ["write 1", "commit 0:1", "leave"]


def test_stop_with_a_store_that_stays_down_is_an_error_and_commits_nothing() -> None:
    world = World(*_bytes(candle()))
    world.store_failures = [StoreUnavailableError("locked") for _ in range(1_000)]
    world.reads_left = 3
    with pytest.raises(FatalError, match="not in the store"):
        world.run()
    assert set(world.log) == {"write failed", "leave"}


def test_partitions_are_given_up_only_after_their_batch_is_kept() -> None:
    world = World(*_bytes(candle()))
    world.store_failures = [StoreUnavailableError("locked")]

    def rebalance() -> None:
        if world.log == ["write failed"]:
            assert world._member is not None
            world._member.before_revoke()
            world.lose_partition()

    world.at_read = rebalance
    world.run()
    assert world.log == ["write failed", "write 1", "commit 0:1", "leave"]


def test_offsets_of_partitions_lost_while_the_store_was_down_are_never_committed() -> None:
    world = World(*_bytes(candle()))
    world.store_failures = [StoreUnavailableError("locked") for _ in range(3)]

    def lose() -> None:
        if world.log == ["write failed"]:
            world.lose_partition()

    world.at_read = lose
    world.run()
    assert world.log == ["write failed"] * 3 + ["write 1", "leave"]


def test_incomplete_candles_reach_the_store_whose_rule_decides() -> None:
    candles = [candle(complete=False), candle(), candle(complete=False, revision=1)]
    world = World(*_bytes(*candles))
    world.run()
    assert world.kept == candles
    assert "commit 0:3" in world.log


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "malformed"),
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"{}", "malformed"),
        (b'{"type":"candle"}', "malformed"),
        (encode_candle(candle()).replace(b'"open":84098.4', b'"open":"NaN"'), "malformed"),
        (encode_candle(candle()).replace(b'"open":84098.4', b'"open":0'), "invalid"),
        (encode_candle(candle()).replace(b'"1m"', b'"7m"'), "invalid"),
    ],
)
def test_poison_goes_to_the_dead_letter_topic_and_the_rest_is_written(
    value: bytes | None, reason: str
) -> None:
    world = World(value, encode_candle(candle()))
    world.run()
    (rejected,) = world.letters
    assert (rejected.letter.reason, rejected.letter.topic, rejected.letter.offset) == (
        reason,
        "ohlc",
        0,
    )
    assert rejected.key == b"kraken:BTC/USD"
    assert world.log == ["reject 1", "write 1", "commit 0:2", "leave"]


def test_poison_is_rejected_once_although_the_write_is_tried_again() -> None:
    world = World(b"poison", encode_candle(candle()))
    world.store_failures = [StoreUnavailableError("locked")] * 3
    world.run()
    assert len(world.letters) == 1


def test_nothing_is_committed_before_the_dead_letter_topic_has_taken_the_poison() -> None:
    world = World(b"poison")
    world.letter_failures = 2
    world.run()
    assert world.log == ["reject 1", "commit 0:1", "leave"]


def test_store_deleted_while_idle_is_made_again_from_the_topic() -> None:
    world = World(*_bytes(candle(0), candle(1)))

    def delete() -> None:
        if world.log == ["write 2", "commit 0:2"]:
            world.is_file_deleted = True

    world.at_read = delete
    world.run()
    assert world.log == [
        "write 2",
        "commit 0:2",
        "rewind",
        "reopen",
        "write 2",
        "commit 0:2",
        "leave",
    ]
    assert world.kept == [candle(0), candle(1)]


def test_nothing_is_committed_once_the_store_is_lost() -> None:
    world = World(*_bytes(candle(0), candle(1)))
    world.store_failures = [StoreLostError("the file was deleted")]
    world.run()
    assert world.log == ["write failed", "rewind", "reopen", "write 2", "commit 0:2", "leave"]


def test_write_that_does_not_end_is_waited_for_again_not_repeated() -> None:
    answers = threading.Event()
    calls: list[int] = []

    class Hanging:
        def write(self, candles: Sequence[Candle]) -> int:
            calls.append(len(candles))
            answers.wait(30)
            return 0

    store = PatientStore(cast("Any", Hanging()), 0.01)
    with pytest.raises(StoreUnavailableError, match=r"not answered for 0.01 s"):
        store.write([candle()])
    assert store.is_waiting
    answers.set()
    store._patience = 5
    # What came meanwhile is not counted as kept.
    assert store.write([candle(), candle(1)]) == Written(candles=1, left_out=0)
    assert calls == [1]


def test_record_that_arrives_during_the_last_flush_is_kept_before_it_is_committed() -> None:
    class Unpausable(World):
        def pause(self) -> None:
            """Records that were on their way arrive in spite of it."""

    world = Unpausable(*_bytes(candle(0), candle(1)))
    world.store_failures = [StoreUnavailableError("locked")] * 2
    world.at_read = world.stop.set
    world.run(write_batch_size=1)
    assert world.kept == [candle(0), candle(1)]
    assert world.log[-2:] == ["commit 0:2", "leave"]
