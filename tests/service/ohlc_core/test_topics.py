"""Topics are created so that records with old event times survive."""

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from local_stack.brokers import LocalBroker
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.messages.topics import topic_names
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load

pytestmark = pytest.mark.service


def _config(address: str, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": address})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(10)
    return {name: entry.value for name, entry in entries.items()}


def test_live_topics_are_kept_by_size_and_never_deleted_by_event_time(broker: LocalBroker) -> None:
    settings = load(
        KafkaSettings, kafka_broker_address=broker.address, topic_retention_bytes=123_456
    )
    live = topic_names()

    ensure_topics(settings, live, [live.trades_dlq])
    ensure_topics(settings, live, [live.trades_dlq])

    config = _config(broker.address, live.trades_dlq)
    assert (config["retention.ms"], config["retention.bytes"]) == ("-1", "123456")


def test_backfill_topics_are_kept_whole(broker: LocalBroker, unique_run_id: str) -> None:
    settings = load(KafkaSettings, kafka_broker_address=broker.address)
    names = topic_names(unique_run_id)

    ensure_topics(settings, names, [names.trades])

    config = _config(broker.address, names.trades)
    assert (config["retention.ms"], config["retention.bytes"]) == ("-1", "-1")
