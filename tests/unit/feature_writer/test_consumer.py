"""The consumer's pause, against a stand-in for librdkafka's consumer."""

from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from feature_writer import consumer as module
from feature_writer.consumer import CandleConsumer
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load


class FakeConsumer:
    """Keeps a partition paused while it is away, as librdkafka does."""

    def __init__(self, _config: dict[str, Any]) -> None:
        self.assigned: list[int] = [0, 1]
        self.paused: set[int] = set()

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("ohlc", partition) for partition in self.assigned]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {each.partition for each in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {each.partition for each in partitions}

    def consume(self, _count: int, _timeout: float) -> list[Message]:
        return []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    fake = FakeConsumer({})
    monkeypatch.setattr(module, "Consumer", lambda _config: fake)
    return fake


@pytest.fixture
def consumer(fake: FakeConsumer) -> CandleConsumer:
    return CandleConsumer(load(KafkaSettings), "ohlc", "writers", broker_is_up=lambda: None)


def test_nothing_is_resumed_while_the_pause_lasts(
    consumer: CandleConsumer, fake: FakeConsumer
) -> None:
    consumer.pause()
    consumer.read(1, 0)
    assert fake.paused == {0, 1}


def test_a_partition_that_was_away_when_the_pause_ended_is_resumed_when_it_is_back(
    consumer: CandleConsumer, fake: FakeConsumer
) -> None:
    consumer.pause()
    fake.assigned = []
    consumer.resume()
    consumer.read(1, 0)
    assert fake.paused == {0, 1}

    fake.assigned = [1]
    consumer.read(1, 0)
    assert fake.paused == {0}

    fake.assigned = [0, 1]
    consumer.read(1, 0)
    assert fake.paused == set()
