"""What a topic is, asked of a broker that may stand still."""

from concurrent.futures import Future

import pytest
from confluent_kafka.admin import TopicDescription

from ohlc_core.kafka import topic_watch
from ohlc_core.kafka.topic_watch import TopicWatch
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load


def test_broker_that_stands_still_leaves_the_topic_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(topic_watch, "_TIMEOUT_SECONDS", 0.01)
    watch = TopicWatch(load(KafkaSettings), "trades")
    monkeypatch.setattr(watch, "_ask", Future[TopicDescription])

    watch.open()

    assert watch.facts is None
