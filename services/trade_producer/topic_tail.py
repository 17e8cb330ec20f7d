"""Where each product's records end in the topic: the producer's only memory.

The end is read backwards in growing steps until every product is found, so a start costs little
where the products are busy and one reading of the topic where one of them is new.
"""

import threading
import time
from collections.abc import Collection, Iterable

import msgspec
from confluent_kafka import KafkaException, Message
from loguru import logger

from ohlc_core.domain.ordering import MAX_ID_DIGITS, is_number
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import (
    BrokerUnavailableError,
    MalformedMessageError,
    TopicUnreadableError,
)
from ohlc_core.kafka.malformed import decoded
from ohlc_core.kafka.reader import Bounds, TopicReader
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import GapMessage, StartMessage, TradesMessage, TradesTopicMessage
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_exchanges.base import Position
from ohlc_exchanges.registry import has_dense_ids
from trade_producer.partitioner import partition_of

_FIRST_STEP = 2_000
_READ_SECONDS = 20.0
_ATTEMPTS = 4
_OVERLAP_RECORDS = 500


class Tail(msgspec.Struct):
    """Where one product's records end.

    Attributes:
        position: the last trade, or the last id given up; None: none since the last start.
        from_us: the last start, where no trade followed it.
        reached_us: the greatest event time its last records hold.
        recent: the trades of its last records, where ids are shared and overlap decides.
    """

    position: Position | None = None
    from_us: int | None = None
    reached_us: int = 0
    recent: list[Position] = []

    @property
    def is_known(self) -> bool:
        """Whether the stream can go on from here."""
        return self.from_us is not None or (
            self.position is not None and self.position.timestamp_us > 0
        )


def read_tails(
    settings: KafkaSettings,
    topic: str,
    keys: Collection[ProductKey],
    takeover_seconds: float,
    stop: threading.Event,
) -> dict[ProductKey, Tail]:
    """Return the tail of every product that has records.

    They count once nothing of these products was appended for ``takeover_seconds``: what a killed
    predecessor had sent may be in the broker's socket and be appended after its death.
    Producers of other products may share the topic.

    Raises:
        BrokerUnavailableError: the broker stopped answering.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with TopicReader(settings, topic, stop=stop, patience_seconds=_READ_SECONDS) as reader:
                return _read_all(reader, keys, takeover_seconds, stop)
        except (KafkaException, TopicUnreadableError) as error:
            reason = str(error)
            if attempt == _ATTEMPTS or stop.is_set():
                break
            logger.warning(
                "the end of topic {} could not be read ({}); trying again", topic, reason
            )
    raise BrokerUnavailableError(
        f"the broker at KAFKA_BROKER_ADDRESS={settings.kafka_broker_address} stopped "
        f"answering while the end of topic {topic} was read ({reason})"
    )


def _read_all(
    reader: TopicReader,
    keys: Collection[ProductKey],
    takeover_seconds: float,
    stop: threading.Event,
) -> dict[ProductKey, Tail]:
    """Read the ends while waiting; read them again where a predecessor's appends still came."""
    wanted = {str(key).encode() for key in keys}
    bounds = reader.bounds()
    while True:
        deadline = time.monotonic() + takeover_seconds
        tails = _read_ends(reader, bounds, keys)
        if takeover_seconds == 0 or stop.wait(max(0.0, deadline - time.monotonic())):
            return tails
        earlier, bounds = bounds, reader.bounds()
        if not _have_grown(reader, wanted, earlier, bounds):
            return tails
        logger.info("the products' records still grow: waiting for a predecessor's last appends")


def _have_grown(
    reader: TopicReader, wanted: set[bytes], earlier: dict[int, Bounds], bounds: dict[int, Bounds]
) -> bool:
    """Return whether a record of these products was appended between the two moments."""
    added = {
        partition: Bounds(earlier[partition].end, end)
        for partition, (_, end) in bounds.items()
        if partition in earlier
    }
    return any(message.key() in wanted for message in reader.read(added))


def _read_ends(
    reader: TopicReader, bounds: dict[int, Bounds], keys: Collection[ProductKey]
) -> dict[ProductKey, Tail]:
    """Return the tails, looked for in each key's own partition first."""
    homes = {key: partition_of(str(key).encode(), len(bounds)) for key in keys}
    tails = _search(
        reader, bounds, {p: [key for key, home in homes.items() if home == p] for p in bounds}
    )
    # Partitions that were added since leave a product's records where they were.
    left = {key: home for key, home in homes.items() if key not in tails}
    if left and len(bounds) > 1:
        tails |= _search(
            reader, bounds, {p: [key for key, home in left.items() if home != p] for p in bounds}
        )
    return tails


def _search(
    reader: TopicReader, bounds: dict[int, Bounds], keys: dict[int, list[ProductKey]]
) -> dict[ProductKey, Tail]:
    """Read all partitions backwards, in growing steps, until each has shown its keys."""
    wanted = {p: {str(key).encode(): key for key in its_keys} for p, its_keys in keys.items()}
    ends = {partition: end for partition, (_, end) in bounds.items()}
    found: dict[ProductKey, list[TradesTopicMessage]] = {}
    step = _FIRST_STEP
    while True:
        ranges = {
            partition: Bounds(max(bounds[partition].low, end - step), end)
            for partition, end in ends.items()
            if wanted[partition] and end > bounds[partition].low
        }
        if not ranges:
            return {key: _fold(records) for key, records in found.items()}
        for partition, by_key in _read(reader, ranges, wanted).items():
            for key, records in _last_records(by_key, wanted[partition]).items():
                found[key] = records + found.get(key, [])
                if _fold(found[key]).is_known:
                    del wanted[partition][str(key).encode()]
        ends |= {partition: low for partition, (low, _) in ranges.items()}
        step *= 4


def _read(
    reader: TopicReader, ranges: dict[int, Bounds], wanted: dict[int, dict[bytes, ProductKey]]
) -> dict[int, dict[bytes, list[Message]]]:
    """Return the wanted keys' records in these ranges, by partition and key."""
    found: dict[int, dict[bytes, list[Message]]] = {}
    for message in reader.read(ranges):
        key, partition = message.key(), message.partition()
        if key in wanted[partition]:
            found.setdefault(partition, {}).setdefault(key, []).append(message)
    return found


def _last_records(
    by_key: dict[bytes, list[Message]], wanted: dict[bytes, ProductKey]
) -> dict[ProductKey, list[TradesTopicMessage]]:
    """Decode from the end back to the record that says where the product's trades stand."""
    last: dict[ProductKey, list[TradesTopicMessage]] = {}
    for key, its_messages in by_key.items():
        product = wanted[key]
        enough = 1 if has_dense_ids(product.exchange) else _OVERLAP_RECORDS
        records: list[TradesTopicMessage] = []
        for _, record in decoded(reversed(its_messages), _decode):
            records.append(record)
            enough -= isinstance(record, TradesMessage)
            if enough == 0 or isinstance(record, StartMessage):
                break
        last[product] = records[::-1]
    return last


def _decode(value: bytes) -> TradesTopicMessage:
    """Decode a record whose ids a stream can go on from.

    Raises:
        MalformedMessageError: it is not one of the contract's, or an id is no number.
    """
    record = decode_trades_topic(value)
    ids: list[str] = []
    if isinstance(record, TradesMessage):
        ids = [trade.trade_id for trade in record.trades]
    elif isinstance(record, GapMessage):
        ids = [record.last_missing_id]
    for each in ids:
        if not is_number(each):
            raise MalformedMessageError(
                f"id {each[:40]!r} is no number of up to {MAX_ID_DIGITS} digits"
            )
    return record


def _fold(messages: Iterable[TradesTopicMessage]) -> Tail:
    tail = Tail()
    for message in messages:
        if isinstance(message, TradesMessage):
            last = message.trades[-1]
            tail.position = Position(last.trade_id, last.timestamp_us)
            tail.from_us = None
            tail.recent += [Position(t.trade_id, t.timestamp_us) for t in message.trades]
            tail.reached_us = max(tail.reached_us, *(t.timestamp_us for t in message.trades))
        elif isinstance(message, StartMessage):
            tail.position, tail.from_us = None, message.from_us
            tail.reached_us = max(tail.reached_us, message.from_us)
        elif isinstance(message, GapMessage):
            known_us = tail.position.timestamp_us if tail.position else tail.from_us or 0
            tail.position = Position(message.last_missing_id, known_us)
        else:
            tail.reached_us = max(tail.reached_us, message.watermark_us)
    return tail
