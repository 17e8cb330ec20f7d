"""Waiting until the candles of every trade are in the store."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import KafkaException
from loguru import logger

from ohlc_core.errors import StoppedError
from ohlc_core.kafka.groups import group_lag
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

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
        trades = group_lag(settings, topics.aggregator_group, topics.trades)
        candles = group_lag(settings, topics.writer_group, topics.ohlc)
    except KafkaException:
        return None
    return None if trades is None or candles is None else Backlog(trades, candles)


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
