"""The end of a backfill run, announced to its aggregator and writer by a topic that appears.

In containers nothing else could stop them: they run until they are asked to.
"""

import contextlib
import threading

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from loguru import logger

from ohlc_core.kafka.config import connection_config
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

_POLL_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0


def run_over_topic(topics: TopicNames) -> str:
    """Return the name of the topic whose appearance ends the run."""
    return f"run-over.backfill.{topics.run_id}"


def stop_when_run_is_over(
    settings: KafkaSettings, topics: TopicNames, stop: threading.Event
) -> None:
    """Set ``stop`` once the run's end is announced; for a live pipeline do nothing.

    A marker that was there from the beginning is left over from an interrupted clean-up.
    """
    if topics.is_backfill:
        watch = threading.Thread(
            target=_watch, args=(settings, topics, stop), name="run-over", daemon=True
        )
        watch.start()


def _watch(settings: KafkaSettings, topics: TopicNames, stop: threading.Event) -> None:
    admin = AdminClient(connection_config(settings) | {"log_level": 0})
    name, was_absent = run_over_topic(topics), False
    while not stop.wait(_POLL_SECONDS):
        with contextlib.suppress(KafkaException):
            is_there = name in admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
            if is_there and was_absent:
                logger.info("backfill {} is over", topics.run_id)
                stop.set()
            was_absent = was_absent or not is_there
