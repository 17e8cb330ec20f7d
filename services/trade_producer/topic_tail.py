"""Where each product's records end in the topic: the producer's only memory.

The end is read backwards in growing steps until every product is found, so a start costs little
where the products are busy and one reading of the topic where one of them is new.
"""

import threading
import time
from collections.abc import Collection, Iterable

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from loguru import logger

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import BrokerUnavailableError, MalformedMessageError
from ohlc_core.kafka.config import consumer_config
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import GapMessage, StartMessage, TradesMessage, TradesTopicMessage
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_exchanges.base import Position
from ohlc_exchanges.registry import has_dense_ids

_FIRST_STEP = 2_000
_REQUEST_SECONDS = 10.0
_READ_SECONDS = 20.0
_ATTEMPTS = 4
_RETRY_SECONDS = 0.2
_OVERLAP_RECORDS = 500

#: The first offset and the one behind the last, by partition.
Bounds = dict[int, tuple[int, int]]


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
            return _read_all(settings, topic, keys, takeover_seconds, stop)
        except KafkaException as error:
            words = error.args[0].str()
            if attempt == _ATTEMPTS or stop.is_set():
                break
            logger.warning("the end of topic {} could not be read ({}); trying again", topic, words)
    raise BrokerUnavailableError(
        f"the broker at KAFKA_BROKER_ADDRESS={settings.kafka_broker_address} stopped "
        f"answering while the end of topic {topic} was read ({words})"
    )


def _read_all(
    settings: KafkaSettings,
    topic: str,
    keys: Collection[ProductKey],
    takeover_seconds: float,
    stop: threading.Event,
) -> dict[ProductKey, Tail]:
    config = consumer_config(settings, "trade-producer-that-never-commits")
    config.pop("group.instance.id", None)
    consumer = Consumer(config | {"enable.partition.eof": True, "log_level": 0})
    try:
        ends = _standing_still(consumer, topic, keys, takeover_seconds, stop)
        tails: dict[ProductKey, Tail] = {}
        for partition, bounds in ends.items():
            _read_partition(consumer, TopicPartition(topic, partition), bounds, keys, tails)
        return tails
    finally:
        consumer.close()


def _standing_still(
    consumer: Consumer,
    topic: str,
    keys: Collection[ProductKey],
    seconds: float,
    stop: threading.Event,
) -> Bounds:
    ends = _ends(consumer, topic)
    while seconds > 0 and not stop.wait(seconds):
        earlier, ends = ends, _ends(consumer, topic)
        if not _have_moved(consumer, topic, keys, earlier, ends):
            break
        logger.info("the products' records still grow: waiting for a predecessor's last appends")
    return ends


def _have_moved(
    consumer: Consumer, topic: str, keys: Collection[ProductKey], earlier: Bounds, ends: Bounds
) -> bool:
    """Tell whether a record of these products was appended between the two moments."""
    wanted = {str(key).encode(): key for key in keys}
    return any(
        _read(consumer, TopicPartition(topic, partition), earlier[partition][1], end, wanted)
        for partition, (_, end) in ends.items()
        if partition in earlier and end > earlier[partition][1]
    )


def _ends(consumer: Consumer, topic: str) -> Bounds:
    deadline = time.monotonic() + _READ_SECONDS
    while True:
        try:
            return _ends_now(consumer, topic)
        except KafkaException as error:
            # A topic just made, or a broker just started, has no leaders for a moment.
            if time.monotonic() > deadline:
                raise
            logger.debug("the ends of {} are not told yet ({})", topic, error.args[0].str())
            time.sleep(_RETRY_SECONDS)


def _ends_now(consumer: Consumer, topic: str) -> Bounds:
    metadata = consumer.list_topics(topic, timeout=_REQUEST_SECONDS).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    if not metadata.partitions:
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    return {
        partition: consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_REQUEST_SECONDS
        )
        for partition in metadata.partitions
    }


def _read_partition(
    consumer: Consumer,
    partition: TopicPartition,
    bounds: tuple[int, int],
    keys: Collection[ProductKey],
    tails: dict[ProductKey, Tail],
) -> None:
    """Add the tails of the keys found in this partition."""
    wanted = {str(key).encode(): key for key in keys}
    found: dict[ProductKey, list[TradesTopicMessage]] = {}
    (low, end), step = bounds, _FIRST_STEP
    while end > low and wanted:
        begin = max(low, end - step)
        for key, messages in _read(consumer, partition, begin, end, wanted).items():
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
    consumer: Consumer,
    partition: TopicPartition,
    begin: int,
    end: int,
    wanted: dict[bytes, ProductKey],
) -> dict[ProductKey, list[TradesTopicMessage]]:
    """Return what tells the tail of each wanted key among the records of [begin, end)."""
    consumer.assign([TopicPartition(partition.topic, partition.partition, begin)])
    values: dict[bytes, list[bytes]] = {}
    deadline = time.monotonic() + _READ_SECONDS
    while True:
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        for message in consumer.consume(2_000, timeout=0.2):
            if _is_past(message, end):
                consumer.unassign()
                return _telling(values, wanted)
            if message.error() is None and message.key() in wanted and message.value():
                values.setdefault(message.key(), []).append(message.value())


def _is_past(message: Message, end: int) -> bool:
    error = message.error()
    if error is None:
        return bool(message.offset() >= end)
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
        return True
    if error.retriable():
        return False
    raise KafkaException(error)


def _telling(
    values: dict[bytes, list[bytes]], wanted: dict[bytes, ProductKey]
) -> dict[ProductKey, list[TradesTopicMessage]]:
    """Decode from the end back to the record that says where the product's trades stand."""
    telling: dict[ProductKey, list[TradesTopicMessage]] = {}
    for key, its_values in values.items():
        product = wanted[key]
        enough = 1 if has_dense_ids(product.exchange) else _OVERLAP_RECORDS
        messages: list[TradesTopicMessage] = []
        for value in reversed(its_values):
            try:
                message = decode_trades_topic(value)
            except MalformedMessageError as error:
                logger.warning("a record of {} in the topic is no message: {}", key, error)
                continue
            messages.append(message)
            enough -= isinstance(message, TradesMessage)
            if enough == 0 or isinstance(message, StartMessage):
                break
        telling[product] = messages[::-1]
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
