"""`make topics` and `make lag` show what a broker holds, without joining any group."""

import io

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

from local_stack.brokers import LocalBroker
from local_stack.inspect_broker import lag_table, topics_table
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from support.kafka import create_topics, produce

pytestmark = pytest.mark.service


def _text(table: Table) -> str:
    screen = io.StringIO()
    Console(file=screen, width=200).print(table)
    return screen.getvalue()


def test_topics_and_lag_are_shown_as_they_are(broker: LocalBroker, unique_run_id: str) -> None:
    topic, group = f"seen-{unique_run_id}", f"reader-{unique_run_id}"
    create_topics(broker.address, topic, partitions=1)
    produce(broker.address, topic, [("key", b"1"), ("key", b"2"), ("key", b"3")])
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": group})
    reader.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    reader.close()
    settings = load(KafkaSettings, kafka_broker_address=broker.address)
    admin = AdminClient({"bootstrap.servers": broker.address})

    topics = _text(topics_table(settings, admin))
    lag = _text(lag_table(settings, admin))

    assert [line.split()[1:8:2] for line in topics.splitlines() if topic in line] == [
        [topic, "1", "1", "3"]
    ]
    assert [line.split()[1:12:2] for line in lag.splitlines() if group in line] == [
        [group, topic, "0", "1", "3", "2"]
    ]
