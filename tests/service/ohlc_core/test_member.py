"""A group's member takes every record in order, whatever the client does."""

import time
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, Message, Producer, TopicPartition

from local_stack.brokers import LocalBroker
from ohlc_core.errors import FencedError, OutOfSequenceError
from ohlc_core.kafka.member import GroupMember
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from support.consumer_groups import group_lag
from support.kafka import create_topics, produce
from support.wait import wait_until

pytestmark = pytest.mark.service


class Unconcerned:
    """A membership that has nothing to keep."""

    def before_revoke(self) -> None:
        pass

    def gone(self, partitions: list[int]) -> None:
        pass

    def removed(self, partition: int, first: int, end: int) -> None:
        pass


@pytest.fixture
def member(broker: LocalBroker, unique_topics: TopicNames) -> Iterator[GroupMember]:
    settings = load(KafkaSettings, kafka_broker_address=broker.address)
    create_topics(broker.address, unique_topics.ohlc, partitions=1)
    member = GroupMember(settings, unique_topics.ohlc, unique_topics.writer_group)
    member.subscribe(Unconcerned())
    yield member
    member.close()


def _read(member: GroupMember, count: int, seconds: float = 20) -> list[bytes | None]:
    read: list[Message] = []
    deadline = time.monotonic() + seconds
    while len(read) < count and time.monotonic() < deadline:
        read += member.read(100, 0.1)
    return [each.value() for each in read]


def _reach_end(member: GroupMember) -> None:
    """Read until the client has reported the partition's end."""
    deadline = time.monotonic() + 20
    while not member.positions and time.monotonic() < deadline:
        member.read(100, 0.1)
    for _ in range(5):
        member.read(100, 0.1)


def test_record_that_came_during_a_pause_at_the_end_is_read(
    member: GroupMember, broker: LocalBroker
) -> None:
    """Resumed by the client alone, reading begins behind the record: librdkafka 2.12."""
    for number in range(5):
        _reach_end(member)
        member.pause()
        produce(broker.address, member.topic, [("k", b"%d" % number)])
        member.read(1, 0.2)
        member.resume()
        assert _read(member, 1) == [b"%d" % number]
        member.commit()


def test_record_the_client_passed_over_stops_the_commit(
    member: GroupMember, broker: LocalBroker
) -> None:
    produce(broker.address, member.topic, [("k", b"0")])
    assert _read(member, 1) == [b"0"]
    member.commit()
    _reach_end(member)
    produce(broker.address, member.topic, [("k", b"1"), ("k", b"2")])
    member._consumer.seek(TopicPartition(member.topic, 0, 2))
    assert _read(member, 2, seconds=5)[-1] == b"2"
    if member._positions.skips():  # the client may have been faster than the seek
        with pytest.raises(OutOfSequenceError, match=r"\[0\]@1 was passed over"):
            member.commit()


def test_ends_of_transactions_and_aborted_records_are_no_gaps(
    member: GroupMember, broker: LocalBroker, unique_topics: TopicNames
) -> None:
    producer = Producer(
        {"bootstrap.servers": broker.address, "transactional.id": unique_topics.run_id}
    )
    producer.init_transactions(30)
    for value, end in (
        (b"0", producer.commit_transaction),
        (b"aborted", producer.abort_transaction),
        (b"1", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(member.topic, value)
        producer.flush(30)
        end(30)
    assert _read(member, 2) == [b"0", b"1"]

    def is_at_the_end() -> bool:
        _reach_end(member)
        member.commit()
        return group_lag(broker.address, unique_topics.writer_group, member.topic) == 0

    wait_until(is_at_the_end, 20, "the last end mark to be committed")


class _RevokedAndFenced:
    """A client whose next poll revokes its partitions and reports, once, that it was fenced."""

    def __init__(self, member: GroupMember) -> None:
        self._member = member
        self._consumer = member._consumer

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)

    def poll(self, _timeout: float) -> Mock:
        self._member._gone([TopicPartition(self._member.topic, 0)])
        words = "Fatal error: Broker: Static consumer fenced by other consumer"
        return Mock(**{"error.return_value": KafkaError(KafkaError._FATAL, words, fatal=True)})


def test_fencing_reported_with_a_revocation_ends_the_member(
    member: GroupMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reach_end(member)
    monkeypatch.setattr(member, "_consumer", _RevokedAndFenced(member))
    with pytest.raises(FencedError, match="KAFKA_GROUP_INSTANCE_ID"):
        member.read(1, 0.1)
    monkeypatch.undo()
