"""The same candles as a Bytewax dataflow: one middle, any input, any output.

    pip install bytewax==0.21.1
    mkdir recovery && python -m bytewax.recovery recovery 1
    FLOW=live python -m bytewax.run -r recovery -s 1 -b 0 examples.bytewax_dataflow:flow

FLOW chooses input and output; all other settings are those of the services:

- ``live``: the topic ``trades`` into the feature store;
- ``debug``: the topic ``trades`` onto the screen, a line of JSON a candle;
- ``backfill``: history (REPLAY_SOURCE, FROM_DAY, TO_DAY) into the feature store, without Kafka.

The middle is `ohlc_core.ProductCandles`, whose state Bytewax snapshots. After a crash the dataflow
goes on from its last snapshot and gives again what came after it; a store keeps each candle once.
What the services do beyond that is in docs/engines.md.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import Literal

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from loguru import logger
from pydantic import Field

from ohlc_aggregator.settings import AggregatorSettings
from ohlc_backfill.settings import BackfillSettings
from ohlc_core.domain.candle import Candle
from ohlc_core.domain.product_candles import Output, ProductCandles
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.state import MemoryStore
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import MalformedMessageError, SettingsError
from ohlc_core.kafka.config import connection_config
from ohlc_core.messages.codec import decode_trades_topic, encode
from ohlc_core.messages.records import (
    GapMessage,
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
    product_key,
)
from ohlc_core.service.settings import load
from ohlc_exchanges.base import Position
from ohlc_exchanges.registry import has_dense_ids
from ohlc_features.factory import open_store
from ohlc_features.settings import FeatureStoreSettings
from ohlc_history.read_history import Wanted, pieces, read_history
from ohlc_history.sources.factory import open_source
from trade_replayer.records import records_of

_RECORD_TRADES = 500
# Between two snapshots lies at least one batch.
_BATCH_RECORDS = 100
#: A record of the topic ``trades``, with its product.
Item = tuple[str, bytes]


class FlowSettings(BackfillSettings):
    """The services' settings, and which input and output."""

    flow: Literal["live", "debug", "backfill"] = Field(
        "live", description="live, debug or backfill: see examples/bytewax_dataflow.py"
    )


# --- the middle ----------------------------------------------------------------------------------


class CandleLogic(StatefulLogic[bytes, Candle, dict[str, bytes]]):
    """One product's candles, of the records of the topic ``trades``."""

    def __init__(self, rules: CandleRules, saved: dict[str, bytes] | None) -> None:
        self._rules = rules
        self._state = MemoryStore(saved or {})
        self._product: ProductCandles | None = None

    def on_item(self, value: bytes) -> tuple[Iterable[Candle], bool]:
        """Return the candles that a record leads to."""
        try:
            message = decode_trades_topic(value)
        except MalformedMessageError as error:
            logger.warning("a record was left out: {}", error)
            return (), StatefulLogic.RETAIN
        if self._product is None:
            key = product_key(message)
            sequential = has_dense_ids(key.exchange)
            self._product = ProductCandles(key, self._rules, self._state, sequential=sequential)
        candles = list(applied(self._product, message).candles)
        while (more := self._product.more()) is not None:
            candles += more.candles
        return candles, StatefulLogic.RETAIN

    def snapshot(self) -> dict[str, bytes]:
        """Return all state, as bytes by name."""
        if self._product is not None:
            self._product.save()
        return dict(self._state)


def applied(product: ProductCandles, message: TradesTopicMessage) -> Output:
    """Return what a record of the topic ``trades`` leads to."""
    match message:
        case TradesMessage(trades=trades):
            return product.on_trades(trades)
        case StartMessage(from_us=from_us):
            return product.on_start(from_us)
        case GapMessage(first_missing_id=first, last_missing_id=last):
            return product.on_gap(first, last)
        case WatermarkMessage(watermark_us=watermark_us, final=final):
            return product.on_watermark(watermark_us, final=final)


# --- inputs ---------------------------------------------------------------------------------------


def topic(settings: FlowSettings) -> KafkaSource:
    """Return the topic ``trades``: what producer or replayer append."""
    connection = connection_config(settings)
    address = str(connection.pop("bootstrap.servers"))
    return KafkaSource(
        address.split(","),
        [settings.topics.trades],
        add_config={name: str(value) for name, value in connection.items()},
        batch_size=_BATCH_RECORDS,
    )


def keyed(message: "KafkaSourceMessage[bytes | None, bytes | None]") -> Iterator[Item]:
    """Yield a record under its product; the topic's key is that."""
    if message.key and message.value:
        yield message.key.decode(errors="replace"), message.value


class History(FixedPartitionedSource[Item, "tuple[Position | None, bool]"]):
    """History as the replayer reads it, a partition a product, without Kafka."""

    def __init__(self, settings: FlowSettings) -> None:
        if settings.from_us is None or settings.to_us is None:
            raise SettingsError("FLOW=backfill needs FROM_DAY and TO_DAY")
        self._settings = settings

    def list_parts(self) -> list[str]:
        """Return the products."""
        return list(self._settings.product_ids)

    def build_part(
        self, _step_id: str, for_part: str, resume_state: "tuple[Position | None, bool] | None"
    ) -> "HistoryPart":
        """Return a product's history, from where a snapshot left it."""
        return HistoryPart(self._settings, for_part, resume_state)


class HistoryPart(StatefulSourcePartition[Item, "tuple[Position | None, bool]"]):
    """One product's history."""

    def __init__(
        self,
        settings: FlowSettings,
        product_id: str,
        resumed: "tuple[Position | None, bool] | None",
    ) -> None:
        self._after, self._is_over = resumed or (None, False)
        self._records = iter(()) if self._is_over else self._read(settings, product_id)

    def next_batch(self) -> list[Item]:
        """Return the next record; StopIteration ends the history."""
        return [next(self._records)]

    def snapshot(self) -> "tuple[Position | None, bool]":
        """Return the last trade that was read, and whether the end was."""
        return self._after, self._is_over

    def _read(self, settings: FlowSettings, product_id: str) -> Iterator[Item]:
        key = ProductKey(settings.exchange, product_id)
        name, source = str(key), open_source(settings, threading.Event(), lambda *_: None).source
        from_us, to_us = settings.from_us or 0, settings.to_us or 0
        if self._after is None:
            yield name, encode(StartMessage(*key, from_us))
        for step in read_history(source, Wanted(key, from_us, to_us, self._after)):
            for gap, table in pieces(step.fresh):
                if gap is not None and step.gaps_are_missing:
                    yield name, encode(GapMessage(*key, str(gap.first), str(gap.last)))
                done = 0
                for record in records_of(*key, source.name, table, _RECORD_TRADES):
                    done += record.trades
                    last_id = str(table["trade_id"][done - 1])
                    self._after = Position(last_id, record.last_timestamp_us)
                    yield name, record.value
        self._is_over = True
        yield name, encode(WatermarkMessage(*key, to_us, final=True))


# --- outputs --------------------------------------------------------------------------------------


class FeatureStoreSink(DynamicSink[Candle]):
    """The feature store that the settings name."""

    def __init__(self, settings: FlowSettings, kind: str) -> None:
        self._settings = load(FeatureStoreSettings, feature_store=kind)
        self._origin: Literal["live", "backfill"] = (
            "backfill" if settings.flow == "backfill" else "live"
        )

    def build(self, *_: object) -> "FeatureStorePartition":
        """Open it, once a worker."""
        return FeatureStorePartition(self._settings, self._origin)


class FeatureStorePartition(StatelessSinkPartition[Candle]):
    """One worker's connection to the store."""

    def __init__(self, settings: FeatureStoreSettings, origin: Literal["live", "backfill"]) -> None:
        self._store = open_store(settings, origin=origin)

    def write_batch(self, items: list[Candle]) -> None:
        """Keep candles; an error ends the dataflow, which goes on from its snapshot."""
        self._store.write(items)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def dataflow(settings: FlowSettings) -> Dataflow:
    """Return the dataflow with the input and output that FLOW names."""
    graph = Dataflow("ohlc")
    if settings.flow == "backfill":
        records = op.input("history", graph, History(settings))
    else:
        records = op.flat_map("keyed", op.input("topic", graph, topic(settings)), keyed)
    rules = load(AggregatorSettings).rules
    candles = op.stateful("candles", records, lambda saved: CandleLogic(rules, saved))
    plain = op.key_rm("candle", candles)
    kind = "console" if settings.flow == "debug" else settings.feature_store
    op.output("store", plain, FeatureStoreSink(settings, kind))
    return graph


def flow() -> Dataflow:
    """Return the dataflow of the environment's settings, for ``python -m bytewax.run``."""
    return dataflow(load(FlowSettings))
