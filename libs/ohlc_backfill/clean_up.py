"""Deleting what a finished backfill leaves on the broker.

A topic is deleted only once nobody reads it. Where nothing else stops the run's aggregator and
writer (containers), a marker topic does: services with a RUN_ID stop when it appears.
"""

import contextlib
import threading
import time
from concurrent.futures import Future

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from loguru import logger

from ohlc_core.kafka.config import connection_config
from ohlc_core.kafka.run_over import run_over_topic
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 10.0
_LEAVE_SECONDS = 60.0
_POLL_SECONDS = 0.5


def delete_run(settings: KafkaSettings, topics: TopicNames, patience_seconds: float = 0) -> None:
    """Delete a finished backfill's topics and groups; live ones are never touched.

    What cannot be deleted does no harm and stays.

    Args:
        settings: how to reach the broker.
        topics: of the run.
        patience_seconds: how long to wait for the groups to be empty: a stopped member with a
            fixed name leaves its group only when its session ends.
    """
    if not topics.is_backfill:
        raise ValueError("only a backfill's topics may be deleted")
    admin = _admin(settings)
    own = {topics.trades, topics.ohlc, topics.trades_dlq, topics.ohlc_dlq, run_over_topic(topics)}
    changelogs = f"changelog__{topics.aggregator_group}--"
    doomed = [
        topic
        for topic in admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        if topic in own or topic.startswith(changelogs)
    ]
    futures: list[Future[None]] = []
    if doomed:
        futures += admin.delete_topics(doomed).values()
    groups = [topics.aggregator_group, topics.writer_group]
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline and _members(admin, groups):
        time.sleep(_POLL_SECONDS)
    futures += admin.delete_consumer_groups(groups).values()
    for future in futures:
        with contextlib.suppress(KafkaException, TimeoutError):
            future.result(_TIMEOUT_SECONDS)


def stop_readers_and_delete_run(
    settings: KafkaSettings, topics: TopicNames, stop: threading.Event
) -> None:
    """Announce to the run's aggregator and writer that it is over, then delete it.

    Where one of them does not leave within a minute, the topics are kept, with a warning.
    """
    announce_run_over(settings, topics)
    admin = _admin(settings)
    groups = [topics.aggregator_group, topics.writer_group]
    deadline = time.monotonic() + _LEAVE_SECONDS
    while (members := _members(admin, groups)) and time.monotonic() < deadline:
        if stop.wait(_POLL_SECONDS):
            return
    if members:
        logger.warning(
            "the run's topics are kept: {} of its aggregators and writers still read them", members
        )
        return
    delete_run(settings, topics)


def announce_run_over(settings: KafkaSettings, topics: TopicNames) -> None:
    """Create the marker: nothing of this run is left to do."""
    marker = NewTopic(run_over_topic(topics), 1, settings.topic_replication)
    admin = _admin(settings)  # kept: without it the request would be given up
    with contextlib.suppress(KafkaException, TimeoutError):
        for future in admin.create_topics([marker]).values():
            future.result(_TIMEOUT_SECONDS)


def is_run_over(settings: KafkaSettings, topics: TopicNames) -> bool:
    """Return whether the marker is there; False also while the broker does not answer."""
    try:
        return (
            run_over_topic(topics) in _admin(settings).list_topics(timeout=_TIMEOUT_SECONDS).topics
        )
    except KafkaException:
        return False


def forget_run_over(settings: KafkaSettings, topics: TopicNames) -> None:
    """Delete the marker that an interrupted clean-up may have left."""
    with contextlib.suppress(KafkaException, TimeoutError):
        admin = _admin(settings)
        if run_over_topic(topics) in admin.list_topics(timeout=_TIMEOUT_SECONDS).topics:
            for future in admin.delete_topics([run_over_topic(topics)]).values():
                future.result(_TIMEOUT_SECONDS)


def _admin(settings: KafkaSettings) -> AdminClient:
    return AdminClient(connection_config(settings) | {"log_level": 0})


def _members(admin: AdminClient, groups: list[str]) -> int:
    """Return how many members the groups have; at least one when that cannot be known."""
    members = 0
    for future in admin.describe_consumer_groups(groups).values():
        try:
            members += len(future.result(_TIMEOUT_SECONDS).members)
        except (KafkaException, TimeoutError):
            members += 1
    return members
