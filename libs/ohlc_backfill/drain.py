"""Waiting until the candles of every trade are in the store."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from loguru import logger

from ohlc_core.errors import StoppedError
from ohlc_core.kafka.config import connection_config
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.5
_LINE_EVERY_SECONDS = 5.0


class Backlog(NamedTuple):
    """Records that the aggregator, and then the writer, have not finished."""

    trades: int
    candles: int


def backlog(settings: KafkaSettings, topics: TopicNames) -> Backlog | None:
    """Return what is left to do, or None while the broker does not answer.

    The aggregator commits its offsets after its candles are on their topic, and the writer after
    they are in the store; so asked in this order, no lag in both means that all is stored.
    """
    try:
        trades = _lag(settings, topics.aggregator_group, topics.trades)
        return Backlog(trades, _lag(settings, topics.writer_group, topics.ohlc))
    except KafkaException:
        return None


def wait_until_stored(
    settings: KafkaSettings,
    topics: TopicNames,
    stop: threading.Event,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Return once every trade is in a candle and every candle is stored.

    Args:
        settings: how to reach the broker.
        topics: of the run.
        stop: ends the wait.
        progress: called whenever less is left to do than before.

    Raises:
        StoppedError: ``stop`` was set before the end.
    """
    left, said = None, time.monotonic()
    while (now := backlog(settings, topics)) != Backlog(0, 0):
        if now is not None and now != left:
            progress()
            left = now
        if left is not None and time.monotonic() >= said + _LINE_EVERY_SECONDS:
            said = time.monotonic()
            logger.info(
                "waiting for the last candles: {:,} records left for the aggregator, {:,} for the "
                "writer",
                *left,
            )
        if stop.wait(_POLL_SECONDS):
            raise StoppedError("stopped before every candle was stored")


def _lag(settings: KafkaSettings, group: str, topic: str) -> int:
    """Return how many offsets of the topic the group has not committed, without joining it."""
    consumer = Consumer(connection_config(settings) | {"group.id": group, "log_level": 0})
    try:
        metadata = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        asked = [TopicPartition(topic, partition) for partition in metadata.partitions]
        lag = 0
        for each in consumer.committed(asked, timeout=_TIMEOUT_SECONDS):
            low, high = consumer.get_watermark_offsets(each, timeout=_TIMEOUT_SECONDS)
            lag += high - max(low, each.offset)
        return lag
    finally:
        consumer.close()
