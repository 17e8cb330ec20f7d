"""Fills the benchmark topics: batched records for ours, single trades for the stock idiom."""

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import encode_trades


def create(address: str, *topics: str, partitions: int = 4) -> None:
    """Create topics whose old records the broker keeps."""
    admin = AdminClient({"bootstrap.servers": address})
    new = [NewTopic(topic, partitions, 1, config={"retention.ms": "-1"}) for topic in topics]
    for future in admin.create_topics(new).values():
        future.result(30)


def single_json(trade: Trade) -> bytes:
    """Return a trade as course code sends it: one JSON object, numbers to be read as floats."""
    return (
        f'{{"trade_id":{trade.trade_id},"price":{canonical(trade.price)}'
        f',"quantity":{canonical(trade.quantity)},"side":"{trade.side}"'
        f',"timestamp_ms":{trade.timestamp_us // 1_000}}}'
    ).encode()


def objects_json(product: str, trades: list[Trade]) -> bytes:
    """Return a record with one object a trade, its ids as text and its numbers exact."""
    body = ",".join(
        f'{{"trade_id":"{t.trade_id}","price":{canonical(t.price)}'
        f',"quantity":{canonical(t.quantity)},"side":"{t.side}","timestamp_us":{t.timestamp_us}}}'
        for t in trades
    )
    return f'{{"exchange":"kraken","product_id":"{product}","trades":[{body}]}}'.encode()


class Filled(NamedTuple):
    """What was produced; ``bytes_before`` compression, of the batched topic."""

    records: int
    trades: int
    bytes_before: int


def fill(
    address: str,
    batched: str,
    records: Iterable[tuple[str, list[Trade]]],
    *,
    single: str | None = None,
    objects: str | None = None,
) -> Filled:
    """Produce the trades: as `trades` records, as records of one, as records of objects."""
    producer = Producer(
        {
            "bootstrap.servers": address,
            # Without it a retry under load would reorder trades, and make them late.
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
        }
    )
    record_count = trade_count = size = 0
    for product, trades in records:
        key = f"kraken:{product}"
        stamp = trades[-1].timestamp_us // 1_000
        value = encode_trades("kraken", product, "rest", trades)
        producer.produce(batched, key=key, value=value, timestamp=stamp)
        size += len(value)
        if objects is not None:
            producer.produce(objects, key=key, value=objects_json(product, trades), timestamp=stamp)
        if single is not None:
            for trade in trades:
                stamp = trade.timestamp_us // 1_000
                producer.produce(single, key=key, value=single_json(trade), timestamp=stamp)
        producer.poll(0)
        record_count += 1
        trade_count += len(trades)
    producer.flush()
    return Filled(record_count, trade_count, size)
