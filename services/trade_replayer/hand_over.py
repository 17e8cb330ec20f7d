"""Where history ends and the live stream takes over.

A live stream's first window is whole when it begins at or after the stream's ``start``. History
must reach up to there, or the window that the start cut would be nobody's. What both have is the
same, so overlapping does no harm.
"""

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition
from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.kafka.config import consumer_config
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import StartMessage
from ohlc_core.service.setting_groups import KafkaSettings

_TIMEOUT_SECONDS = 15.0
_START = b'{"type":"start"'

#: Nobody waits longer than this for a window that a live stream's start has cut.
LONGEST_WAIT_US = 2 * 3_600_000_000


def first_whole_window_us(start_us: int, intervals: Sequence[Interval], now_us: int) -> int:
    """Return when the first window of every interval begins that lies wholly behind the start.

    Intervals whose next window is further away than `LONGEST_WAIT_US` are left out.
    """
    begins = [-(-start_us // interval.us) * interval.us for interval in intervals]
    near = [begin for begin in begins if begin <= now_us + LONGEST_WAIT_US]
    if len(near) < len(begins):
        logger.warning(
            "the window in which the live stream began stays incomplete for the longest interval: "
            "run the backfill again after it has ended"
        )
    return max(near, default=start_us)


def live_start_us(
    settings: KafkaSettings, topic: str, key: ProductKey, since_us: int
) -> int | None:
    """Return ``from_us`` of the last ``start`` of the product that was appended since then.

    None where there is none, the topic included.
    """
    config = consumer_config(settings, "trade-replayer-hand-over")
    config.pop("group.instance.id", None)
    consumer = Consumer(config)
    try:
        metadata = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
        if metadata.error is not None:
            return None
        times = [
            TopicPartition(topic, partition, since_us // 1_000) for partition in metadata.partitions
        ]
        begins = consumer.offsets_for_times(times, timeout=_TIMEOUT_SECONDS)
        ends = [consumer.get_watermark_offsets(each, timeout=_TIMEOUT_SECONDS) for each in begins]
        found = [
            _last_start(consumer, begin, end[1], key)
            for begin, end in zip(begins, ends, strict=True)
            if 0 <= begin.offset < end[1]
        ]
    except KafkaException as error:
        logger.warning("could not look for a live stream: {}", error.args[0].str())
        return None
    finally:
        consumer.close()
    return max((start for start in found if start is not None), default=None)


def _last_start(consumer: Consumer, begin: TopicPartition, end: int, key: ProductKey) -> int | None:
    consumer.assign([begin])
    name, start_us = str(key).encode(), None
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        for message in consumer.consume(1_000, timeout=0.1):
            value = message.value() or b""
            if message.error() is None and message.key() == name and value.startswith(_START):
                record = decode_trades_topic(value)
                if isinstance(record, StartMessage):
                    start_us = record.from_us
        position = consumer.position([begin])[0].offset
        if position >= end:
            break
    return start_us
