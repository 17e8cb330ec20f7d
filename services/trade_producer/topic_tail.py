"""Where each product's records end in the topic: the producer's only memory.

The end is read backwards in growing steps until every product is found, so a start costs little
where the products are busy and one reading of the topic where one of them is new.
"""

import threading
from collections.abc import Collection, Iterable

import msgspec
from confluent_kafka import KafkaException, Message
from loguru import logger

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import BrokerUnavailableError, TopicUnreadableError
from ohlc_core.kafka.malformed import decoded
from ohlc_core.kafka.reader import Bounds, TopicReader
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import GapMessage, StartMessage, TradesMessage, TradesTopicMessage
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_exchanges.base import Position
from ohlc_exchanges.registry import has_dense_ids

_FIRST_STEP = 2_000
_READ_SECONDS = 20.0
_ATTEMPTS = 4
_OVERLAP_RECORDS = 500


class Tail(msgspec.Struct):
    """Where one product's records end.

    Attributes:
        position: the last trade, or the last id given up; None: none since the last start.
        from_us: the last start, where no trade followed it.
        reached_us: the greatest event time told by its last records.
        recent_ids: ids of its last records, where ids reveal no hole and overlap decides.
    """

    position: Position | None = None
    from_us: int | None = None
    reached_us: int = 0
    recent_ids: list[int] = []

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

    Before that, waits until for ``takeover_seconds`` nothing of these products was appended: what a
    killed predecessor had sent may be in the broker's socket and be appended after its death.
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
    ends = _settled_bounds(reader, keys, takeover_seconds, stop)
    tails: dict[ProductKey, Tail] = {}
    for partition, bounds in ends.items():
        _read_partition(reader, partition, bounds, keys, tails)
    return tails


def _settled_bounds(
    reader: TopicReader,
    keys: Collection[ProductKey],
    seconds: float,
    stop: threading.Event,
) -> dict[int, Bounds]:
    bounds = reader.bounds()
    while seconds > 0 and not stop.wait(seconds):
        earlier, bounds = bounds, reader.bounds()
        if not _have_grown(reader, keys, earlier, bounds):
            break
        logger.info("the products' records still grow: waiting for a predecessor's last appends")
    return bounds


def _have_grown(
    reader: TopicReader,
    keys: Collection[ProductKey],
    earlier: dict[int, Bounds],
    bounds: dict[int, Bounds],
) -> bool:
    """Return whether a record of these products was appended between the two moments."""
    wanted = {str(key).encode() for key in keys}
    added = {
        partition: Bounds(earlier[partition].end, end)
        for partition, (_, end) in bounds.items()
        if partition in earlier
    }
    return any(message.key() in wanted for message in reader.read(added))


def _read_partition(
    reader: TopicReader,
    partition: int,
    bounds: Bounds,
    keys: Collection[ProductKey],
    tails: dict[ProductKey, Tail],
) -> None:
    """Add the tails of the keys found in this partition."""
    wanted = {str(key).encode(): key for key in keys}
    found: dict[ProductKey, list[TradesTopicMessage]] = {}
    (low, end), step = bounds, _FIRST_STEP
    while end > low and wanted:
        begin = max(low, end - step)
        for key, messages in _read(reader, partition, Bounds(begin, end), wanted).items():
            found[key] = messages + found.get(key, [])
            if _fold(found[key]).is_known:
                del wanted[str(key).encode()]
        end, step = begin, step * 4
    for key, messages in found.items():
        tail = _fold(messages)
        # A product lies in one partition; in two only where partitions were added meanwhile.
        if key not in tails or tail.reached_us > tails[key].reached_us:
            tails[key] = tail


def _read(
    reader: TopicReader, partition: int, bounds: Bounds, wanted: dict[bytes, ProductKey]
) -> dict[ProductKey, list[TradesTopicMessage]]:
    """Return what shows the tail of each wanted key among the records of these bounds."""
    by_key: dict[bytes, list[Message]] = {}
    for message in reader.read({partition: bounds}):
        if message.key() in wanted:
            by_key.setdefault(message.key() or b"", []).append(message)
    return _telling(by_key, wanted)


def _telling(
    by_key: dict[bytes, list[Message]], wanted: dict[bytes, ProductKey]
) -> dict[ProductKey, list[TradesTopicMessage]]:
    """Decode from the end back to the record that says where the product's trades stand."""
    telling: dict[ProductKey, list[TradesTopicMessage]] = {}
    for key, its_messages in by_key.items():
        product = wanted[key]
        enough = 1 if has_dense_ids(product.exchange) else _OVERLAP_RECORDS
        records: list[TradesTopicMessage] = []
        for _, record in decoded(reversed(its_messages), decode_trades_topic):
            records.append(record)
            enough -= isinstance(record, TradesMessage)
            if enough == 0 or isinstance(record, StartMessage):
                break
        telling[product] = records[::-1]
    return telling


def _fold(messages: Iterable[TradesTopicMessage]) -> Tail:
    tail = Tail()
    for message in messages:
        if isinstance(message, TradesMessage):
            last = message.trades[-1]
            tail.position = Position(last.trade_id, last.timestamp_us)
            tail.from_us = None
            tail.recent_ids += [int(trade.trade_id) for trade in message.trades]
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
