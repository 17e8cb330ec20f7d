"""Fills the benchmark topics: batched records for ours, single trades for the stock idiom."""

from collections.abc import Iterable

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


def fill(
    address: str, batched: str, single: str | None, records: Iterable[tuple[str, list[Trade]]]
) -> tuple[int, int]:
    """Produce the trades to both topics; return how many records and trades there were."""
    producer = Producer(
        {
            "bootstrap.servers": address,
            # Without it a retry under load would reorder trades, and make them late.
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
        }
    )
    record_count = trade_count = 0
    for product, trades in records:
        key = f"kraken:{product}"
        stamp = trades[-1].timestamp_us // 1_000
        value = encode_trades("kraken", product, "rest", trades)
        producer.produce(batched, key=key, value=value, timestamp=stamp)
        if single is not None:
            for trade in trades:
                stamp = trade.timestamp_us // 1_000
                producer.produce(single, key=key, value=single_json(trade), timestamp=stamp)
        producer.poll(0)
        record_count += 1
        trade_count += len(trades)
    producer.flush()
    return record_count, trade_count
