"""How far a run got: the run's own topic is the truth, read backwards from its end."""

import time
from collections.abc import Iterable

import msgspec
from confluent_kafka import KafkaException

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_core.kafka.malformed import decoded
from ohlc_core.kafka.reader import Bounds, TopicReader
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import (
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
)
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
    with TopicReader(settings, topic) as reader:
        try:
            _read_back(reader, _settled_bounds(reader), found)
        except KafkaException as error:
            raise FatalError(f"could not read topic {topic}: {error.args[0].str()}") from None
    return found


def _settled_bounds(reader: TopicReader) -> dict[int, Bounds]:
    """Return each partition's bounds once they have stopped moving."""
    before: dict[int, Bounds] = {}
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        bounds = reader.bounds()
        if bounds == before:
            return bounds
        before = bounds
        time.sleep(_QUIET_SECONDS)
    raise FatalError(
        f"topic {reader.topic} keeps growing: another replayer seems to run with the same RUN_ID; "
        "stop it, or give another RUN_ID"
    )


def _read_back(
    reader: TopicReader, bounds: dict[int, Bounds], found: dict[ProductKey, ReplayedSoFar]
) -> None:
    """Read ever longer ends of the partitions until nothing is left to learn from them."""
    keys = {str(key).encode(): key for key in found}
    ends = {partition: each.end for partition, each in bounds.items()}
    homes: dict[ProductKey, int] = {}
    step = _FIRST_STEP

    def may_hold_more(partition: int) -> bool:
        return any(
            state.last is None and homes.get(key, partition) == partition
            for key, state in found.items()
        )

    while spans := {
        partition: Bounds(max(low, ends[partition] - step), ends[partition])
        for partition, (low, _) in bounds.items()
        if ends[partition] > low and may_hold_more(partition)
    }:
        sooner = {key: ReplayedSoFar() for key in found}
        wanted = (message for message in reader.read(spans) if message.key() in keys)
        for message, record in decoded(wanted, decode_trades_topic):
            key = keys[message.key() or b""]
            homes[key] = message.partition() or 0
            _note(sooner[key], record)
        for key, state in sooner.items():
            found[key] = _joined(state, found[key])
        ends |= {partition: span.low for partition, span in spans.items()}
        step *= 4


def _note(state: ReplayedSoFar, record: TradesTopicMessage) -> None:
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
