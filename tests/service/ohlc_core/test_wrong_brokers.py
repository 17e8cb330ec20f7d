"""A broker that cannot be used is explained in one line with the remedy."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from local_stack.brokers import LocalBroker, kafka
from local_stack.ports import free_port
from ohlc_core.errors import BrokerUnavailableError, SettingsError
from ohlc_core.kafka.admin import ensure_topics, wait_for_broker
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

pytestmark = pytest.mark.service


def _settings(broker: LocalBroker, **others: object) -> KafkaSettings:
    return KafkaSettings.model_validate(
        {"kafka_broker_address": broker.address, "kafka_startup_timeout_seconds": 20, **others}
    )


@pytest.mark.parametrize(
    ("protocol", "remedy"),
    [
        ("SSL", "speaks no TLS: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT"),
        ("SASL_SSL", "speaks no TLS: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT"),
        ("SASL_PLAINTEXT", "takes no SASL: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT"),
    ],
)
def test_wrong_protocol_names_setting_and_remedy(
    broker: LocalBroker, protocol: str, remedy: str
) -> None:
    sasl = {
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_sasl_username": "u",
        "kafka_sasl_password": SecretStr("secret"),
    }
    with pytest.raises(BrokerUnavailableError, match=remedy) as error:
        wait_for_broker(_settings(broker, kafka_security_protocol=protocol, **sasl))
    assert broker.address in str(error.value)


def test_too_many_copies_name_setting_and_number_of_brokers(
    broker: LocalBroker, unique_topics: TopicNames
) -> None:
    with pytest.raises(SettingsError, match=r"TOPIC_REPLICATION was 3, and the cluster has 1 brok"):
        ensure_topics(_settings(broker, topic_replication=3), unique_topics, [unique_topics.trades])


def test_advertised_address_that_cannot_be_reached_is_named(
    broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unique_topics: TopicNames
) -> None:
    properties = kafka._properties
    nowhere = f"127.0.0.1:{free_port()}"
    monkeypatch.setattr(
        kafka,
        "_properties",
        lambda *given: re.sub(
            r"advertised.listeners=.*",
            f"advertised.listeners=PLAINTEXT://{nowhere}",
            properties(*given),
        ),
    )
    with kafka.kafka_broker(tmp_path / "kafka", free_port(), "test") as odd:
        odd.start()
        settings = _settings(odd, kafka_startup_timeout_seconds=60)
        with pytest.raises(BrokerUnavailableError, match=f"advertises {nowhere}, which cannot be"):
            ensure_topics(settings, unique_topics, [unique_topics.trades])
