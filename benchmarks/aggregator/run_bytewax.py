"""bytewax with its own windowing on the batched topic: floats, one interval."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
import msgspec
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main
from stopwatch import Stopwatch

address, topic, expected = sys.argv[1], sys.argv[2], int(sys.argv[3])
watch = Stopwatch(expected)


class Trade(msgspec.Struct):
    """What a float pipeline needs of a trade."""

    price: float
    quantity: float
    timestamp_us: int


class Record(msgspec.Struct):
    """A `trades` record."""

    product_id: str
    prices: list[float]
    quantities: list[float]
    timestamps_us: list[int]


decode = msgspec.json.Decoder(Record).decode


def explode(message: KafkaSourceMessage) -> Iterator[tuple[str, Trade]]:
    """Yield the trades of a record, keyed by product."""
    watch.record()
    record = decode(message.value)
    trades = map(Trade, record.prices, record.quantities, record.timestamps_us)
    return ((record.product_id, trade) for trade in trades)


def fold(state: list[float], trade: Trade) -> list[float]:
    """Take a trade into open, high, low, close, volume and count."""
    price = trade.price
    if not state:
        return [price, price, price, price, trade.quantity, 1]
    state[1] = max(state[1], price)
    state[2] = min(state[2], price)
    state[3] = price
    state[4] += trade.quantity
    state[5] += 1
    return state


def merge(left: list[float], right: list[float]) -> list[float]:
    """Fail: only session windows are merged."""
    raise NotImplementedError("tumbling windows never merge")


flow = Dataflow("ohlc")
source = KafkaSource([address], [topic], tail=False, batch_size=1_000)
trades = op.flat_map("explode", op.input("input", flow, source), explode)
clock = win.EventClock(
    ts_getter=lambda trade: datetime.fromtimestamp(trade.timestamp_us / 1e6, UTC),
    wait_for_system_duration=timedelta(seconds=1),
)
windower = win.TumblingWindower(
    length=timedelta(minutes=1), align_to=datetime(2023, 1, 1, tzinfo=UTC)
)
candles = win.fold_window("candles", trades, clock, windower, list, fold, merge)
op.output("output", candles.down, TestingSink([]))
run_main(flow)
watch.report()
