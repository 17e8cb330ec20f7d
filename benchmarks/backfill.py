"""How fast history gets into the store, and what streaming costs.

    python benchmarks/backfill.py [--trades 1000000 20000000] [--products 4]

Measured on one machine, one broker, from generated Kraken time-and-sales files:

- the replayer alone: files to topic;
- the aggregator alone: its own ceiling, over the same topic;
- the whole path: ``local-stack backfill`` with replayer, broker, aggregator, writer and the proof
  as processes, and the most memory each of them took;
- one batch in polars: the same files to the same rows in SQLite, with floats.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl
import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition

from local_stack.brokers import start_broker
from ohlc_core.messages.topics import topic_names

T0 = 1_672_531_200  # 2023-01-01
BIN = Path(sys.executable).parent
BASES = ("BTC", "ETH", "SOL", "ADA", "XRP", "DOT", "LTC", "LINK")
Figures = dict[str, dict[str, float]]
INTERVALS = {"1m": 60, "5m": 300, "1h": 3600}


def generate(folder: Path, trades: int, products: int) -> list[str]:
    """Write one file a product, ten trades a second; return the products."""
    each = trades // products
    for number in range(products):
        seed = random.Random(number)
        with (folder / f"{BASES[number]}USD.csv").open("w") as file:
            price, rows = 60_000 + 100 * number, []
            for index in range(each):
                price += seed.randint(-5, 5)
                quantity = seed.randint(1, 10**8)
                side = "b" if quantity % 2 else "s"
                second = f"{T0 + index // 10}.{index % 10}{seed.randint(0, 99999):05}"
                rows.append(
                    f"{price // 10}.{price % 10},{quantity // 10**8}.{quantity % 10**8:08},"
                    f"{second},{side},m,,{index + 1}\n"
                )
                if len(rows) == 100_000:
                    file.writelines(rows)
                    rows.clear()
            file.writelines(rows)
    return [f"{base}/USD" for base in BASES[:products]]


class Memory:
    """The most memory (MB) each of the console scripts below a process took."""

    NAMES = ("trade-replayer", "ohlc-aggregator", "feature-writer", "local-stack")

    def __init__(self) -> None:
        self.peak = dict.fromkeys(self.NAMES, 0.0)
        self.cpu = dict.fromkeys(self.NAMES, 0.0)

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Sample while the block runs."""
        done = threading.Event()
        thread = threading.Thread(target=self._sample, args=(pid, done))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _sample(self, pid: int, done: threading.Event) -> None:
        while not done.wait(0.2):
            try:
                parent = psutil.Process(pid)
                for process in (parent, *parent.children(recursive=True)):
                    words = " ".join(process.cmdline())
                    for name in self.NAMES:
                        if f"/{name}" in words:
                            used = process.memory_info().rss / 1e6
                            self.peak[name] = max(self.peak[name], used)
                            times = process.cpu_times()
                            self.cpu[name] = max(self.cpu[name], times.user + times.system)
            except psutil.NoSuchProcess:
                continue


def run(script: str, env: Mapping[str, str], *arguments: str) -> tuple[float, Memory]:
    """Run a script to its end; return its seconds and its memory."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [BIN / script, *arguments], env=os.environ | dict(env), stdout=output, stderr=output
        )
        memory = Memory()
        with memory.watching(process.pid):
            code = process.wait()
        if code != 0:
            output.seek(0)
            raise SystemExit(f"{script} failed:\n{output.read()[-3000:]}")
    return time.monotonic() - began, memory


def whole_path(env: Mapping[str, str]) -> tuple[float, float, Memory]:
    """Run a backfill; return seconds from the replayer's start to all stored, to proved."""
    process = subprocess.Popen(
        [BIN / "local-stack", "backfill"],
        env=os.environ | dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    memory, moments, lines = Memory(), {}, []
    with memory.watching(process.pid):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            for mark in ("RUN_ID=", "all candles are written", "verified by count"):
                if mark in line:
                    moments.setdefault(mark, time.monotonic())
        if process.wait() != 0:
            raise SystemExit("backfill failed:\n" + "".join(lines[-40:]))
    began = moments["RUN_ID="]
    return (
        moments["all candles are written"] - began,
        moments["verified by count"] - moments["all candles are written"],
        memory,
    )


def aggregator_alone(address: str, run_id: str, env: Mapping[str, str], trades: int) -> float:
    """Return the aggregator's trades a second, between its first and its last commit."""
    names = topic_names(run_id)
    process = subprocess.Popen(
        [BIN / "ohlc-aggregator"],
        env=os.environ | dict(env) | {"RUN_ID": run_id},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    consumer = Consumer({"bootstrap.servers": address, "group.id": names.aggregator_group})
    try:
        parts = consumer.list_topics(names.trades, timeout=10).topics[names.trades].partitions
        asked = [TopicPartition(names.trades, each) for each in parts]
        total = sum(consumer.get_watermark_offsets(each, timeout=10)[1] for each in asked)
        first: tuple[float, int] | None = None
        while True:
            time.sleep(0.05)
            try:
                done = sum(max(0, each.offset) for each in consumer.committed(asked, timeout=10))
            except KafkaException:
                continue
            now = time.monotonic()
            if first is None and done:
                first = (now, done)
            if done == total:
                assert first is not None
                share = (total - first[1]) / total
                return trades * share / max(0.001, now - first[0])
    finally:
        consumer.close()
        process.terminate()
        process.wait()


def one_batch(folder: Path, products: list[str]) -> float:
    """Return the seconds polars takes from the files to rows in SQLite."""
    began = time.monotonic()
    names = ["price", "quantity", "time", "side", "kind", "misc", "id"]
    with closing(sqlite3.connect(folder / "polars.db")) as database:
        database.execute("CREATE TABLE ohlc (p, i, w, o, h, l, c, v, vwap, bv, n, f, z)")
        for product in products:
            table = pl.read_csv(
                folder / f"{product.replace('/', '')}.csv", has_header=False, new_columns=names
            )
            for text, seconds in INTERVALS.items():
                window = (pl.col("time") // seconds).cast(pl.Int64) * seconds
                amount = pl.col("price") * pl.col("quantity")
                rows = (
                    table.with_columns(window.alias("window"))
                    .group_by("window", maintain_order=True)
                    .agg(
                        pl.col("price").first().alias("o"),
                        pl.col("price").max().alias("h"),
                        pl.col("price").min().alias("l"),
                        pl.col("price").last().alias("c"),
                        pl.col("quantity").sum().alias("v"),
                        (amount.sum() / pl.col("quantity").sum()).alias("vwap"),
                        pl.col("quantity").filter(pl.col("side") == "b").sum().alias("bv"),
                        pl.len(),
                        pl.col("id").first().alias("f"),
                        pl.col("id").last().alias("z"),
                    )
                )
                database.executemany(
                    "INSERT INTO ohlc VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    ((product, text, *row) for row in rows.iter_rows()),
                )
        database.commit()
    return time.monotonic() - began


def measure(address: str, folder: Path, trades: int, products: int) -> Figures:
    """Measure everything for so many trades; print and return it."""
    names = generate(folder, trades, products)
    trades = trades // products * products
    env = {
        "KAFKA_BROKER_ADDRESS": address,
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(folder / "*.csv"),
        "PRODUCT_IDS": ",".join(names),
        "FROM_DAY": "2023-01-01",
        "TO_DAY": "2023-12-31",
        "OHLC_INTERVALS": ",".join(INTERVALS),
        # The year behind the trades would be flat candles, which the batch does not make.
        "EMPTY_CANDLES": "skip",
        "FEATURE_STORE_URL": f"sqlite:///{folder}/features.db",
        "STATE_DIR": str(folder / "state"),
        "LOCAL_STACK_FOLDER": str(folder / "run"),
    }
    replay_s, replayer = run("trade-replayer", env | {"RUN_ID": f"bench-{trades}"})
    ceiling = aggregator_alone(address, f"bench-{trades}", env, trades)
    stored_s, proof_s, memory = whole_path(env | {"RUN_ID": f"bench-{trades}-whole"})
    batch_s = one_batch(folder, names)
    whole = trades / stored_s
    print(f"\n{trades:,} trades of {products} products, files to store")
    print(f"{'':36}{'seconds':>10}{'trades/s':>12}{'whole path is':>15}")
    figures: Figures = {}
    for name, seconds in (
        ("replayer alone (with its start)", replay_s),
        ("aggregator alone (its ceiling)", trades / ceiling),
        ("whole path, to the last row stored", stored_s),
        ("  and the proof after it", proof_s),
        ("one batch in polars, floats", batch_s),
    ):
        rate = trades / seconds
        print(f"{name:36}{seconds:>10.2f}{rate:>12,.0f}{whole / rate:>14.2f}x")
        figures[name.strip()] = {"s": seconds, "trades/s": rate, "whole path is": whole / rate}
    peaks = {**memory.peak, "trade-replayer": max(memory.peak["trade-replayer"],
                                                   replayer.peak["trade-replayer"])}  # fmt: skip
    print("peak MB:  " + ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items()))
    print("CPU s:    " + ", ".join(f"{name} {cpu:.1f}" for name, cpu in memory.cpu.items()))
    return figures | {"peak MB": peaks, "CPU s": memory.cpu}


def main() -> None:
    """Run and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--products", type=int, default=4, choices=range(1, len(BASES) + 1))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as text, start_broker("auto", Path(text) / "b") as broker:
        for trades in arguments.trades:
            folder = Path(text) / str(trades)
            folder.mkdir()
            figures.append(measure(broker.address, folder, trades, arguments.products))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
