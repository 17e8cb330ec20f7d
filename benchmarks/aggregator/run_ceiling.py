"""Consume with librdkafka, decode one typed object with exact decimals a trade, nothing else."""

import sys
from decimal import Decimal

import msgspec
from confluent_kafka import Consumer
from stopwatch import Stopwatch


class Trade(msgspec.Struct, gc=False):
    """A trade as an object."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    side: str
    timestamp_us: int


class Record(msgspec.Struct):
    """A record of objects."""

    product_id: str
    trades: list[Trade]


decode = msgspec.json.Decoder(Record).decode
address, topic, expected = sys.argv[1], sys.argv[2], int(sys.argv[3])
watch = Stopwatch(expected)
consumer = Consumer(
    {
        "bootstrap.servers": address,
        "group.id": f"ceiling-{topic}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe([topic])
done = False
while not done:
    for message in consumer.consume(1_000, 1.0):
        done = watch.record()
        decode(message.value())
watch.report()
consumer.close()
