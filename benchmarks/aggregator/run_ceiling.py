"""The ceiling of this stack: librdkafka's consume and the typed decode, and nothing else."""

import sys

from confluent_kafka import Consumer
from stopwatch import Stopwatch

from ohlc_core.messages.codec import decode_trades_topic

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
        decode_trades_topic(message.value())
watch.report()
consumer.close()
