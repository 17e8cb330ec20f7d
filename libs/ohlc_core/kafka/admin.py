"""Creating topics, explicitly and repeatably."""

import threading
import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from ohlc_core.errors import BrokerUnavailableError, SettingsError, StoppedError
from ohlc_core.kafka.config import connection_config
from ohlc_core.kafka.connection_errors import ConnectionErrors, unreachable_brokers
from ohlc_core.kafka.patience import is_passing
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

_REQUEST_TIMEOUT = 2.0


def wait_for_broker(settings: KafkaSettings, stop: threading.Event | None = None) -> AdminClient:
    """Return an admin client once the broker answers.

    Raises:
        BrokerUnavailableError: it did not within KAFKA_STARTUP_TIMEOUT_SECONDS.
        StoppedError: ``stop`` was set meanwhile.
    """
    errors = ConnectionErrors()
    admin = AdminClient(connection_config(settings) | {"log_level": 0, "error_cb": errors})
    deadline = time.monotonic() + settings.kafka_startup_timeout_seconds
    while True:
        left = deadline - time.monotonic()
        try:
            admin.list_topics(timeout=max(0.1, min(_REQUEST_TIMEOUT, left)))
        except KafkaException as error:
            admin.poll(0)
            # Wrong words for that listener: waiting does not help.
            if errors.advice and left <= settings.kafka_startup_timeout_seconds - _REQUEST_TIMEOUT:
                raise BrokerUnavailableError(
                    f"KAFKA_BROKER_ADDRESS={settings.kafka_broker_address}: {errors.advice}"
                ) from None
            if left <= _REQUEST_TIMEOUT / 10:
                raise BrokerUnavailableError(
                    f"no broker answered at KAFKA_BROKER_ADDRESS={settings.kafka_broker_address} "
                    f"within {settings.kafka_startup_timeout_seconds:g} s "
                    f"({error.args[0].str()}); start it, or correct the setting"
                ) from None
        else:
            return admin
        if stop is not None and stop.is_set():
            raise StoppedError("stopped while waiting for the broker")


def broker_answers(settings: KafkaSettings) -> bool:
    """Return whether the broker answers at this moment."""
    admin = AdminClient(connection_config(settings) | {"log_level": 0})
    try:
        admin.list_topics(timeout=_REQUEST_TIMEOUT)
    except KafkaException:
        return False
    return True


def ensure_topics(
    settings: KafkaSettings,
    names: TopicNames,
    topics: Iterable[str],
    stop: threading.Event | None = None,
) -> None:
    """Create those of ``topics`` that do not exist.

    Retention is by size, never by time: records carry event times, so that retention by time would
    delete history that is filled in (START_FROM a month ago) before it was read. A backfill's
    topics are kept whole until they are removed.

    Raises:
        BrokerUnavailableError: the broker did not answer.
        StoppedError: ``stop`` was set before it did.
        SettingsError: TOPIC_REPLICATION exceeds the number of brokers.
        KafkaException: the broker refused to create a topic.
    """
    config = {"retention.ms": "-1"}
    if not names.is_backfill:
        config["retention.bytes"] = str(settings.topic_retention_bytes)
    wanted = [
        NewTopic(topic, settings.topic_partitions, settings.topic_replication, config=config)
        for topic in topics
    ]
    deadline = time.monotonic() + settings.kafka_startup_timeout_seconds
    while True:
        admin = wait_for_broker(settings, stop)
        try:
            _create(admin, wanted)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR:
                brokers = len(admin.list_topics(timeout=_REQUEST_TIMEOUT).brokers)
                raise SettingsError(
                    f"TOPIC_REPLICATION was {settings.topic_replication}, and the cluster has "
                    f"{brokers} broker{'s' * (brokers != 1)}; allowed: 1 to {brokers}"
                ) from None
            if lost := unreachable_brokers(settings):
                raise BrokerUnavailableError(
                    f"the broker at KAFKA_BROKER_ADDRESS={settings.kafka_broker_address} answers, "
                    f"but it advertises {', '.join(lost)}, which cannot be reached from here; "
                    "correct its advertised.listeners, or make that address reachable"
                ) from None
            # A broker that is just starting answers, but cannot create topics yet.
            if not is_passing(error):
                raise
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(
                    f"the broker at KAFKA_BROKER_ADDRESS={settings.kafka_broker_address} answers, "
                    f"but made no topics within {settings.kafka_startup_timeout_seconds:g} s "
                    f"({error.args[0].str()})"
                ) from None
        else:
            return


def _create(admin: AdminClient, wanted: list[NewTopic]) -> None:
    for future in admin.create_topics(wanted, request_timeout=10).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
