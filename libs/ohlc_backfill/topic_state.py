"""How far a run got: the run's own topic is the truth, read backwards from its end."""

import time
import uuid
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_core.kafka.config import consumer_config
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import StartMessage, TradesMessage, WatermarkMessage
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_exchanges.base import Position

_FIRST_STEP = 64
_TIMEOUT_SECONDS = 30.0
# A killed replayer's last requests may still be on their way into the log.
_QUIET_SECONDS = 0.5


class ReplayedSoFar(msgspec.Struct):
    """What a topic holds of one product.

    Attributes:
        last: the last trade, or None when there is none.
        started_us: of the ``start`` record nearest to the end that was met, or None.
        final_us: of the final watermark behind the last trade, or None.
        has_records: whether there is any record.
    """

    last: Position | None = None
    started_us: int | None = None
    final_us: int | None = None
    has_records: bool = False


def replayed_so_far(
    settings: KafkaSettings, topic: str, keys: Iterable[ProductKey]
) -> dict[ProductKey, ReplayedSoFar]:
    """Return what the topic holds of each product.

    Raises:
        FatalError: the topic could not be read.
    """
    found = {key: ReplayedSoFar() for key in keys}
    config = consumer_config(settings, f"trade-replayer-{uuid.uuid4().hex[:12]}")
    config.pop("group.instance.id", None)
    consumer = Consumer(config | {"enable.partition.eof": True})
    try:
        for partition, (low, high) in _ends(consumer, topic).items():
            _read_back(consumer, TopicPartition(topic, partition), low, high, found)
    except KafkaException as error:
        raise FatalError(f"could not read topic {topic}: {error.args[0].str()}") from None
    finally:
        consumer.close()
    return found


def _ends(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """Return each partition's offsets once they have stopped moving."""
    before: dict[int, tuple[int, int]] = {}
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            ends = _ends_now(consumer, topic)
        except KafkaException:
            # A topic that was just created may have no leader yet.
            if time.monotonic() + _QUIET_SECONDS >= deadline:
                raise
            ends = {}
        if ends and ends == before:
            return ends
        before = ends
        time.sleep(_QUIET_SECONDS)
    raise FatalError(
        f"topic {topic} keeps growing: another replayer seems to run with the same RUN_ID; "
        "stop it, or give another RUN_ID"
    )


def _ends_now(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    metadata = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return {
        partition: consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS
        )
        for partition in metadata.partitions
    }


def _read_back(
    consumer: Consumer,
    partition: TopicPartition,
    low: int,
    high: int,
    found: dict[ProductKey, ReplayedSoFar],
) -> None:
    """Read ever longer ends of the partition until nothing is left to learn from it."""
    step, end = _FIRST_STEP, high
    waiting = {str(key).encode(): key for key, state in found.items() if not state.has_records}
    while end > low and any(found[key].last is None for key in waiting.values()):
        begin = max(low, end - step)
        later = {raw: found[key] for raw, key in waiting.items()}
        sooner = {raw: ReplayedSoFar() for raw in waiting}
        for message in _messages(consumer, partition, begin, end):
            state = sooner.get(message.key() or b"")
            if state is not None:
                _note(state, message.value() or b"")
        for raw, key in waiting.items():
            found[key] = _joined(sooner[raw], later[raw])
        end, step = begin, step * 4


def _note(state: ReplayedSoFar, value: bytes) -> None:
    record = decode_trades_topic(value)
    state.has_records = True
    if isinstance(record, TradesMessage):
        trade = record.trades[-1]
        state.last = Position(trade.trade_id, trade.timestamp_us)
        state.final_us = None
    elif isinstance(record, StartMessage):
        state.started_us = record.from_us
    elif isinstance(record, WatermarkMessage) and record.final:
        state.final_us = record.watermark_us


def _joined(sooner: ReplayedSoFar, later: ReplayedSoFar) -> ReplayedSoFar:
    final_us = later.final_us
    if final_us is None and later.last is None:
        final_us = sooner.final_us
    return ReplayedSoFar(
        last=later.last or sooner.last,
        started_us=sooner.started_us if later.started_us is None else later.started_us,
        final_us=final_us,
        has_records=sooner.has_records or later.has_records,
    )


def _messages(
    consumer: Consumer, partition: TopicPartition, begin: int, end: int
) -> Iterator[Message]:
    """Yield the records with offsets [begin, end)."""
    where = TopicPartition(partition.topic, partition.partition, begin)
    consumer.assign([where])
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    try:
        while time.monotonic() < deadline:
            for message in consumer.consume(1_000, timeout=0.1):
                deadline = time.monotonic() + _TIMEOUT_SECONDS
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its only name
                        return
                    raise KafkaException(error)
                if message.offset() >= end:
                    return
                yield message
                if message.offset() == end - 1:
                    return
    finally:
        consumer.unassign()
    raise FatalError(
        f"topic {partition.topic} [{partition.partition}] could not be read up to offset {end}"
    )
