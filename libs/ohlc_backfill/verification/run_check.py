"""A backfill's proof: the store against candles recomputed from the trades on the run's topic."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from ohlc_backfill.topic_state import replayed_so_far
from ohlc_backfill.verification.compare import Comparison, ProductComparer
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_backfill.verification.stored import StoredCandles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError, MalformedMessageError
from ohlc_core.kafka.malformed import decoded
from ohlc_core.kafka.reader import TopicReader
from ohlc_core.messages.trades_record import DECODE_ERRORS
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_history.trade_table import TRADE_TABLE

_TRADES_AT_ONCE = 100_000
_SILENCE_SECONDS = 60.0


class _Record(msgspec.Struct):
    """Any record of the topic; read here again, so that a fault in the codec shows."""

    type: str
    trade_ids: list[str] = msgspec.field(default_factory=list)
    prices: msgspec.Raw = msgspec.Raw(b"[]")
    quantities: msgspec.Raw = msgspec.Raw(b"[]")
    sides: str = ""
    timestamps_us: msgspec.Raw = msgspec.Raw(b"[]")
    from_us: int = 0


_SIDES = {ord("b"): "buy", ord("s"): "sell", ord("-"): "unknown"}
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
        SourceError: the store cannot be read.
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
    with TopicReader(settings, topic, patience_seconds=_SILENCE_SECONDS) as reader:
        bounds = reader.bounds()
        total = max(1, sum(end - low for low, end in bounds.values()))
        begins = {partition: low for partition, (low, _) in bounds.items()}
        reached = dict(begins)
        wanted = (each for each in reader.read(bounds) if each.key() in products)
        for message, record in decoded(wanted, _decode_record):
            products[message.key() or b""].take(record, begin)
            read += len(record.sides)
            reached[message.partition() or 0] = (message.offset() or 0) + 1
            progress(read, (sum(reached.values()) - sum(begins.values())) / total)
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
    """Return the records' trades; arrays of numbers are taken apart a column at a time.

    Raises:
        FatalError: a record's columns are of different lengths.
    """
    columns = {
        "trade_id": pl.Series([text for record in records for text in record.trade_ids]),
        "price": _numbers(record.prices for record in records),
        "quantity": _numbers(record.quantities for record in records),
        "side": _sides("".join(record.sides for record in records)),
        "timestamp_us": _numbers(record.timestamps_us for record in records).cast(pl.Int64),
    }
    try:
        return pl.DataFrame(columns, schema=TRADE_TABLE)
    except pl.exceptions.ShapeError:
        raise FatalError("the run's topic holds a record with columns of several lengths") from None


def _sides(letters: str) -> pl.Series:
    codes = pl.Series(np.frombuffer(letters.encode(), np.uint8))
    return codes.replace_strict(_SIDES, default=None, return_dtype=pl.String)


def _numbers(arrays: Iterable[msgspec.Raw]) -> pl.Series:
    joined = b",".join(bytes(array).strip()[1:-1] for array in arrays)
    return pl.Series([joined.decode()]).str.split(",").explode().str.strip_chars()


def _decode_record(value: bytes) -> _Record:
    try:
        return _decode(value)
    except DECODE_ERRORS as error:
        raise MalformedMessageError(str(error)) from None
