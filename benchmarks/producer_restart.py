"""How long the trade producer takes from its start after SIGKILL to its next append.

Real processes: the simulated exchange with many products, the producer, a real Apache Kafka. The
producer is killed and started again at once; measured is when the topic's end next moves.

Run: ``python benchmarks/producer_restart.py [products] [trades a second] [rounds]``
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from local_stack.brokers import start_broker

_TOPIC = "trades"
_WARM_SECONDS = 15.0
_PARTITIONS = 4


def started(name: str, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a console script with only these settings."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(log.parent)}
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(Path(sys.executable).parent / name)],
            env=kept | env,
            cwd=log.parent,
            stdout=output,
            stderr=output,
        )


def websocket_port(log: Path) -> str:
    """Return the port the simulator listens on, once it says so."""
    while not (found := re.search(r"ws=ws://[^:]+:(\d+)", log.read_text())):
        time.sleep(0.05)
    return found.group(1)


def end(consumer: Consumer) -> int:
    """Return how many records the topic has had."""
    return sum(
        consumer.get_watermark_offsets(TopicPartition(_TOPIC, partition), timeout=10)[1]
        for partition in range(_PARTITIONS)
    )


def settled_end(consumer: Consumer) -> int:
    """Return the topic's end once nothing moves any more."""
    before, now = -1, end(consumer)
    while now != before:
        time.sleep(0.1)
        before, now = now, end(consumer)
    return now


def main() -> None:
    """Kill and start again, round after round."""
    products, rate, rounds = (
        int(argument) for argument in (*sys.argv[1:], *("1000", "1000", "5")[len(sys.argv) - 1 :])
    )
    names = ",".join(f"P{number:04}/USD" for number in range(products))
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as text, start_broker("kafka", Path(text) / "b") as broker:
        folder = Path(text)
        simulator_log = folder / "simulator.log"
        market = {"PRODUCT_IDS": names, "SIMULATOR_RATE": str(rate), "SIMULATOR_HISTORY": "1m"}
        simulator = started("exchange-simulator", market, simulator_log)
        address = f"127.0.0.1:{websocket_port(simulator_log)}"
        path = re.search(r"ws=ws://[^/]+(/\S*)", simulator_log.read_text())
        env = {
            "PRODUCT_IDS": names,
            "EXCHANGE_WS_URL": f"ws://{address}{path.group(1) if path else '/v2'}",
            "EXCHANGE_REST_URL": f"http://{address}",
            "KAFKA_BROKER_ADDRESS": broker.address,
            "REST_INTERVAL_SECONDS": "0.001",
            "OHLC_INTERVALS": "1s",
            "START_FROM": "last",
        }
        producer = started("trade-producer", env, folder / "producer.log")
        time.sleep(_WARM_SECONDS)
        consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "none"})
        for _ in range(rounds):
            producer.kill()
            producer.wait()
            before = settled_end(consumer)
            began = time.monotonic()
            producer = started("trade-producer", env, folder / "producer.log")
            while end(consumer) == before:
                time.sleep(0.01)
            seconds.append(time.monotonic() - began)
            time.sleep(_WARM_SECONDS / 3)
        producer.kill()
        simulator.kill()
        producer.wait()
        simulator.wait()
        consumer.close()
        if os.environ.get("SHOW_LOG"):
            print((folder / "producer.log").read_text()[-4000:])
    print(
        f"{products} products, {rate} trades/s: from start to next append "
        f"median {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s ({rounds} SIGKILLs)"
    )


if __name__ == "__main__":
    main()
