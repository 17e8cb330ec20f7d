"""The writer's whole way: from candles on a topic to committed rows in the local store.

    python benchmarks/feature_store/through_kafka.py [--rows 1000000]

The time runs from starting the service to its consumer group having no lag, so that starting up,
joining the group and committing count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from rows import batches

from local_stack.brokers import start_broker
from ohlc_core.messages.codec import encode_candle
from ohlc_core.messages.topics import TopicNames, topic_names

PARTITIONS = 4


def fill(address: str, topic: str, rows: int) -> None:
    """Append the candles."""
    admin = AdminClient({"bootstrap.servers": address})
    config = {"retention.ms": "-1"}
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=config)]).values():
        future.result(30)
    producer = Producer(
        {
            "bootstrap.servers": address,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
        }
    )
    for batch in batches(rows):
        for candle in batch:
            key = f"{candle.exchange}:{candle.product_id}"
            producer.produce(topic, key=key, value=encode_candle(candle))
        producer.poll(0)
    producer.flush(120)


def has_lag(consumer: Consumer, topic: str) -> bool:
    """Return whether the consumer's group has not committed everything, or it is not known."""
    partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    try:
        return any(
            consumer.get_watermark_offsets(each, timeout=30)[1] > max(0, each.offset)
            for each in consumer.committed(partitions, timeout=30)
        )
    except KafkaException:
        return True  # a new broker looks for the group's coordinator first


def drain(address: str, names: TopicNames, folder: Path) -> float:
    """Run the writer until nothing is left; return the seconds."""
    env = os.environ | {
        "KAFKA_BROKER_ADDRESS": address,
        "RUN_ID": names.run_id,
        "FEATURE_STORE_URL": f"sqlite:///{folder}/features.db",
    }
    consumer = Consumer({"bootstrap.servers": address, "group.id": names.writer_group})
    begin = time.perf_counter()
    with (folder / "writer.log").open("w") as log:
        writer = subprocess.Popen(
            [str(Path(sys.executable).with_name("feature-writer"))], env=env, stderr=log
        )
        try:
            while has_lag(consumer, names.ohlc):
                if writer.poll() is not None:
                    raise SystemExit((folder / "writer.log").read_text())
                time.sleep(0.2)
            return time.perf_counter() - begin
        finally:
            writer.terminate()
            writer.wait(60)
            consumer.close()


def main() -> None:
    """Fill a topic, drain it, and print the rate."""
    parser = argparse.ArgumentParser(description="Candles on a topic into the local store.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    names = topic_names("benchmark")
    with (
        tempfile.TemporaryDirectory() as folder,
        start_broker("kafka", Path(folder) / "broker") as broker,
    ):
        fill(broker.address, names.ohlc, options.rows)
        seconds = drain(broker.address, names, Path(folder))
    print(f"{options.rows} candles from topic to store: {options.rows / seconds:,.0f} rows/s")
    if options.json:
        options.json.write_text(json.dumps({"rows/s": options.rows / seconds}))


if __name__ == "__main__":
    main()
