"""A backfill's proof: the store against candles recomputed from the trades on the run's topic."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ohlc_backfill.topic_state import replayed_so_far
from ohlc_backfill.verification.compare import Comparison, ProductComparer
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_backfill.verification.stored import StoredCandles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_core.kafka.config import consumer_config
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_history.trade_table import TRADE_TABLE

_TRADES_AT_ONCE = 100_000
_SILENCE_SECONDS = 60.0


class _Record(msgspec.Struct):
    """Any record of the topic; read here again, so that a fault in the codec shows."""

    type: str
    trade_ids: list[str] = msgspec.field(default_factory=list)
    prices: list[msgspec.Raw] = msgspec.field(default_factory=list)
    quantities: list[msgspec.Raw] = msgspec.field(default_factory=list)
    sides: str = ""
    timestamps_us: list[int] = msgspec.field(default_factory=list)
    from_us: int = 0


_SIDES = {"b": "buy", "s": "sell", "-": "unknown"}
_decode = msgspec.json.Decoder(_Record).decode


class RunCheck(NamedTuple):
    """The verdict over a run."""

    trades: int
    comparisons: list[Comparison]


class _Product:
    """One product's records on their way into the comparison."""

    def __init__(self, key: ProductKey, until_us: int) -> None:
        self.key = key
        self.until_us = until_us
        self.comparer: ProductComparer | None = None
        self._waiting: list[_Record] = []
        self._trades = 0

    def take(
        self, record: _Record, begin: Callable[[ProductKey, int, int], ProductComparer]
    ) -> None:
        if self.comparer is None:
            from_us = record.from_us if record.type == "start" else 0
            self.comparer = begin(self.key, from_us, self.until_us)
        if record.type == "gap":
            self.flush()
            self.comparer.rows.gap()
        if record.type == "trades":
            self._waiting.append(record)
            self._trades += len(record.sides)
        if self._trades >= _TRADES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        records, self._waiting, self._trades = self._waiting, [], 0
        if self.comparer is not None and records:
            self.comparer.add(self.comparer.rows.add(_table(records)))


def check_run(
    settings: KafkaSettings,
    topic: str,
    ends_us: Mapping[ProductKey, int],
    intervals: Sequence[Interval],
    stored: StoredCandles,
    *,
    fill: bool = False,
    progress: Callable[[int, float], None] = lambda _trades, _fraction: None,
) -> RunCheck:
    """Recompute every candle of the run from its topic and compare it with the store.

    Args:
        settings: how to reach the broker.
        topic: of the run's trades.
        ends_us: at least up to when each product must have been replayed.
        intervals: of the candles.
        stored: the store.
        fill: whether windows without trades have flat candles.
        progress: called with the trades read and the fraction of the topic.

    Raises:
        FatalError: the topic cannot be read, or a product was not replayed to its end.
        SourceError: the store can not be read.
    """
    found = replayed_so_far(settings, topic, ends_us)
    unfinished = [
        str(key)
        for key, state in found.items()
        if state.final_us is None or state.final_us < ends_us[key]
    ]
    if unfinished:
        raise FatalError(f"topic {topic} has no end of {', '.join(unfinished)}")

    def begin(key: ProductKey, from_us: int, to_us: int) -> ProductComparer:
        return ProductComparer(stored, ExpectedRows(key, intervals, from_us, to_us, fill=fill))

    products = {str(key).encode(): _Product(key, found[key].final_us or 0) for key in ends_us}
    read = 0
    for message, fraction in _messages(settings, topic):
        product = products.get(message.key() or b"")
        if product is not None:
            record = _decode(message.value() or b"")
            product.take(record, begin)
            read += len(record.sides)
            progress(read, fraction)
    return _verdict(products.values())


def _verdict(products: Iterable[_Product]) -> RunCheck:
    comparisons: list[Comparison] = []
    trades = 0
    for product in products:
        product.flush()
        if product.comparer is not None:
            comparisons += product.comparer.finish()
            trades += product.comparer.rows.trades
    return RunCheck(trades, comparisons)


def _table(records: list[_Record]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "trade_id": [text for record in records for text in record.trade_ids],
            "price": [bytes(raw).decode() for record in records for raw in record.prices],
            "quantity": [bytes(raw).decode() for record in records for raw in record.quantities],
            "side": [_SIDES[letter] for record in records for letter in record.sides],
            "timestamp_us": [time for record in records for time in record.timestamps_us],
        },
        schema=TRADE_TABLE,
    )


def _messages(settings: KafkaSettings, topic: str) -> Iterator[tuple[Message, float]]:
    """Yield the topic's records up to its present end, each partition's in order.

    With each comes the fraction of the topic that has been read.
    """
    config = consumer_config(settings, f"backfill-check-{uuid.uuid4().hex[:12]}")
    config.pop("group.instance.id", None)
    consumer = Consumer(
        config | {"enable.partition.eof": True, "queued.max.messages.kbytes": 32 * 1024}
    )
    try:
        metadata = consumer.list_topics(topic, timeout=_SILENCE_SECONDS).topics[topic]
        unread = set(metadata.partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
        total, done = _records(consumer, topic, unread), 0
        deadline = time.monotonic() + _SILENCE_SECONDS
        while unread:
            if time.monotonic() > deadline:
                raise FatalError(f"topic {topic} could not be read to its end")
            for message in consumer.consume(200, timeout=0.1):
                deadline = time.monotonic() + _SILENCE_SECONDS
                error = message.error()
                if error is None:
                    done += 1
                    yield message, min(1.0, done / max(1, total))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its only name
                    unread.discard(message.partition())
                else:
                    raise KafkaException(error)
    except KafkaException as error:
        raise FatalError(f"topic {topic} could not be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _records(consumer: Consumer, topic: str, partitions: Iterable[int]) -> int:
    ends = [
        consumer.get_watermark_offsets(TopicPartition(topic, each), timeout=_SILENCE_SECONDS)
        for each in partitions
    ]
    return sum(int(high) - int(low) for low, high in ends)
