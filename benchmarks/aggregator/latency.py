"""How soon a candle is on the ``ohlc`` topic after the trade that closes its window.

    python benchmarks/aggregator/latency.py [--seconds 60] [--warm-up 5] [--rate 1000]

Trades are produced at an even rate with the present as their event time. A candle's latency runs
from producing the first trade whose time is at or past the window's end and grace to receiving the
candle in another consumer (read_committed). Windows of the warm-up are left out; the worst one is
printed with its second, because one pause delays the candles of every product that close in it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

from confluent_kafka import Consumer, Producer

from local_stack.brokers import start_broker
from ohlc_core.domain.trade import Trade
from ohlc_core.kafka.config import producer_config
from ohlc_core.messages.codec import decode_candle, encode_trades
from ohlc_core.service.setting_groups import KafkaSettings

GRACE_MS = 100
INTERVAL_MS = 1_000
RECORDS_A_SECOND = 100


class Receiver(threading.Thread):
    """Notes when each candle arrived."""

    def __init__(self, address: str, topic: str) -> None:
        super().__init__(daemon=True)
        self.arrived: dict[tuple[str, int], float] = {}
        self.done = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": f"latency-{topic}",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 5,
            }
        )
        self._consumer.subscribe([topic])

    def run(self) -> None:
        """Receive until asked to end."""
        while not self.done.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                now = time.time()
                candle = decode_candle(message.value())
                self.arrived.setdefault((candle.product_id, candle.window_end_ms), now)
        self._consumer.close()


def produce(
    address: str, topic: str, arguments: argparse.Namespace
) -> dict[tuple[str, int], float]:
    """Produce at the rate; return when each window's closing trade was handed over."""
    producer = Producer(
        producer_config(KafkaSettings(kafka_broker_address=address)) | {"linger.ms": 1}
    )
    closing: dict[tuple[str, int], float] = {}
    ids = [0] * arguments.products
    size = max(1, arguments.rate // RECORDS_A_SECOND)
    begin = time.time()
    for turn in range(arguments.seconds * RECORDS_A_SECOND):
        while time.time() < begin + turn / RECORDS_A_SECOND:
            producer.poll(0.001)
        number = turn % arguments.products
        product = f"P{number}/USD"
        now = time.time()
        trades = []
        for _ in range(size):
            ids[number] += 1
            us = int(now * 1e6)
            trades.append(Trade(str(ids[number]), Decimal(100), Decimal(1), "buy", us))
        end_ms = (int(now * 1e3) - GRACE_MS) // INTERVAL_MS * INTERVAL_MS
        closing.setdefault((product, end_ms), now)
        value = encode_trades("kraken", product, "websocket", trades)
        producer.produce(topic, key=f"kraken:{product}", value=value, timestamp=int(now * 1e3))
        producer.poll(0)
    producer.flush()
    return closing


def measure(guarantee: str, commit: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Measure one configuration, print a line and return its figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        start_broker("auto", Path(folder) / "broker") as broker,
    ):
        env = os.environ | {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "OHLC_INTERVALS": "1s",
            "GRACE_MS": str(GRACE_MS),
            "PROCESSING_GUARANTEE": guarantee,
            "COMMIT_INTERVAL_SECONDS": commit,
            "STATE_DIR": f"{folder}/state",
        }
        script = Path(sys.executable).with_name("ohlc-aggregator")
        with subprocess.Popen([script], env=env, stderr=subprocess.DEVNULL) as process:
            time.sleep(8)  # joined and idle: this is a measurement, not a test
            receiver = Receiver(broker.address, "ohlc")
            receiver.start()
            closing = produce(broker.address, "trades", arguments)
            time.sleep(2)
            receiver.done.set()
            receiver.join()
            process.terminate()
    return report(guarantee, commit, closing, receiver.arrived, arguments.warm_up)


def report(
    guarantee: str,
    commit: str,
    closing: dict[tuple[str, int], float],
    arrived: dict[tuple[str, int], float],
    warm_up: int,
) -> dict[str, float]:
    """Print one line; return what it says."""
    begin = min(closing.values())
    waits = sorted(
        ((arrived[window] - sent) * 1e3, sent - begin)
        for window, sent in closing.items()
        if window in arrived and sent - begin >= warm_up
    )
    cuts = statistics.quantiles((wait for wait, _ in waits), n=100)
    worst, second = waits[-1]
    print(
        f"{guarantee:15} commit {commit:>4} s  {len(waits):5} candles  "
        f"p50 {cuts[49]:6.1f} ms  p90 {cuts[89]:6.1f}  p99 {cuts[98]:6.1f}  "
        f"max {worst:6.1f} (second {second:.0f})",
        flush=True,
    )
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": worst}


def main() -> None:
    """Measure both guarantees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--products", type=int, default=20)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    figures = {}
    for guarantee, commit in (
        ("at-least-once", "1"),
        ("at-least-once", "5"),
        ("exactly-once", "0.1"),
        ("exactly-once", "1"),
    ):
        figures[f"{guarantee} {commit}"] = measure(guarantee, commit, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
