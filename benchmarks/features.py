"""What feature groups cost: the shipped group, live, in a backfill, built and served.

    python benchmarks/features.py [--products 1000] [--windows 10] [--only live backfill build]

- live: a minute's candles of all products at once on the topic of a running writer; from then until
  each product's row is readable, with features and without; meanwhile a reader calls ``vector``;
- backfill: a day of candles from the topic into the store, with features against without;
- build: ``features build`` over the same day, rows per second of CPU.
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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from local_stack.brokers import start_broker
from ohlc_core.domain.candle import Candle
from ohlc_core.domain.interval import Interval
from ohlc_core.messages.codec import encode_candle
from ohlc_core.messages.topics import TopicNames, topic_names
from ohlc_core.service.settings import load
from ohlc_features.building import build_groups
from ohlc_features.define.loading import load_definitions
from ohlc_features.reading import FeatureReader
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.store import LocalStore

DEFINITIONS = Path(__file__).resolve().parents[1] / "features" / "momentum.py"
PARTITIONS = 4
START_MS = 1_789_948_800_000  # a Monday
MINUTE = 60_000
#: Windows before the first live one: what the longest feature needs, and whole hours.
HISTORY = 300
ROUND_SECONDS = 2.0


def candle(draw: random.Random, product: str, interval: str, end: int) -> Candle:
    """Return a candle with everything a feature can use."""
    price = draw.randrange(1_000_000, 1_010_000)
    volume = draw.randrange(1, 10_000_000_000)
    return Candle(
        exchange="kraken",
        product_id=product,
        interval=interval,
        window_start_ms=end - Interval.parse(interval).us // 1_000,
        window_end_ms=end,
        open=Decimal(price - 50).scaleb(-1),
        high=Decimal(price + 300).scaleb(-1),
        low=Decimal(price - 300).scaleb(-1),
        close=Decimal(price).scaleb(-1),
        volume=Decimal(volume).scaleb(-8),
        vwap=Decimal(price * 10**6 + draw.randrange(10**6)).scaleb(-7),
        trade_count=41,
        buy_volume=Decimal(volume // 2).scaleb(-8),
        first_trade_id="1",
        last_trade_id="41",
        complete=True,
        revision=0,
    )


def day(products: int, seed: int = 1) -> Iterator[Candle]:
    """Yield a day of 1m, 5m and 1h candles as a backfill brings them: product by product."""
    draw = random.Random(seed)
    for number in range(products):
        for minute in range(1, 1_441):
            end = START_MS + minute * MINUTE
            for interval, every in (("1m", 1), ("5m", 5), ("1h", 60)):
                if minute % every == 0:
                    yield candle(draw, name(number), interval, end)


def name(number: int) -> str:
    """Return a product's name."""
    return f"P{number:04d}/USD"


class Pipeline:
    """One run's topic on a broker, and its store."""

    def __init__(self, address: str, run: str, folder: Path, *, with_features: bool) -> None:
        self.names: TopicNames = topic_names(run)
        self.url = f"sqlite:///{folder}/{run}.db"
        self.path = folder / f"{run}.db"
        self._address = address
        self._log = folder / f"{run}.log"
        self._env = {
            "KAFKA_BROKER_ADDRESS": address,
            "RUN_ID": run,
            "FEATURE_STORE_URL": self.url,
            "FEATURE_DEFINITIONS": str(DEFINITIONS) if with_features else "",
        }
        admin = AdminClient({"bootstrap.servers": address})
        config = {"retention.ms": "-1"}
        topic = NewTopic(self.names.ohlc, PARTITIONS, 1, config=config)
        for future in admin.create_topics([topic]).values():
            future.result(30)
        self._producer = Producer(
            {
                "bootstrap.servers": address,
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 2_000_000,
            }
        )

    def append(self, records: list[tuple[str, bytes]]) -> None:
        """Append records and wait until the broker has them."""
        for key, value in records:
            self._producer.produce(self.names.ohlc, key=key, value=value)
        self._producer.flush(120)

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Run the writer."""
        script = str(Path(sys.executable).with_name("feature-writer"))
        with self._log.open("w") as log:
            process = subprocess.Popen([script], env=os.environ | self._env, stderr=log)
            try:
                yield
                if process.poll() is not None:
                    raise SystemExit(self._log.read_text())
            finally:
                process.terminate()
                process.wait(60)

    def wait_until_read(self) -> None:
        """Wait until the writer's group has committed everything."""
        consumer = Consumer(
            {"bootstrap.servers": self._address, "group.id": self.names.writer_group}
        )
        try:
            while _has_lag(consumer, self.names.ohlc):
                time.sleep(0.05)
        finally:
            consumer.close()


def _has_lag(consumer: Consumer, topic: str) -> bool:
    partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    try:
        return any(
            consumer.get_watermark_offsets(each, timeout=30)[1] > max(0, each.offset)
            for each in consumer.committed(partitions, timeout=30)
        )
    except KafkaException:
        return True  # a new broker looks for the group's coordinator first


def encoded(candles: list[Candle]) -> list[tuple[str, bytes]]:
    """Return records."""
    return [(f"{each.exchange}:{each.product_id}", encode_candle(each)) for each in candles]


# --- live ----------------------------------------------------------------------------------------


def live(
    address: str, folder: Path, products: int, windows: int, *, with_features: bool
) -> dict[str, dict[str, float]]:
    """Print and return how long after its candle each product's newest row is readable."""
    run = "live-with" if with_features else "live-without"
    pipeline = Pipeline(address, run, folder, with_features=with_features)
    groups = load_definitions(DEFINITIONS) if with_features else []
    begin = START_MS + HISTORY * MINUTE
    history = LocalStore.open(pipeline.url, "ohlc", 1, definitions=groups)
    draw = random.Random(7)
    for number in range(products):
        minutes = [candle(draw, name(number), "1m", begin - n * MINUTE) for n in range(HISTORY)]
        hours = [candle(draw, name(number), "1h", begin - n * 60 * MINUTE) for n in range(5)]
        history.write(hours + minutes)
    history.close()
    table = "momentum_1_latest" if with_features else "ohlc_1_latest"
    times: list[float] = []
    with pipeline.writer():
        serving = _Serving(pipeline.url, products) if with_features else None
        for window in range(1, windows + 2):
            end = begin + window * MINUTE
            records = encoded([candle(draw, name(each), "1m", end) for each in range(products)])
            began = time.perf_counter()
            pipeline.append(records)
            seen = _watch(pipeline.path, table, end, products, began)
            if window > 1:  # the first one finds the writer starting and its memory empty
                times += seen
                if serving and window == 2:
                    serving.start()
            time.sleep(max(0.0, ROUND_SECONDS - (time.perf_counter() - began)))
        if serving:
            serving.stop()
    what = "with the shipped group" if with_features else "candles alone"
    took = _spread(times)
    print(f"live, {products} products x 1m, {what}: appended to readable {_shown(took)}")
    if serving:
        return {"live, with features": took, "vector": _spread(serving.times)}
    return {"live, candles alone": took}


def _watch(path: Path, table: str, end: int, products: int, began: float) -> list[float]:
    """Return, for each product, the seconds until its row of a window is there."""
    times: list[float] = []
    query = f"SELECT count(*) FROM {table} WHERE candle_interval = '1m' AND window_end = ?"
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    while len(times) < products:
        (count,) = reader.execute(query, (end,)).fetchone()
        times += [time.perf_counter() - began] * (count - len(times))
        time.sleep(0.002)
    reader.close()
    return times


class _Serving:
    """Calls ``vector`` all the time, as a model server would."""

    def __init__(self, url: str, products: int) -> None:
        self._url, self._products = url, products
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.times: list[float] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        print(f"vector while writing, {len(self.times)} calls: {_shown(_spread(self.times))}")

    def _serve(self) -> None:
        draw = random.Random(3)
        age = timedelta(days=36_500)
        with FeatureReader.open(self._url) as reader:
            while not self._done.wait(0.003):
                product = name(draw.randrange(self._products))
                began = time.perf_counter()
                reader.vector("momentum", "kraken", product, "1m", max_age=age)
                self.times.append(time.perf_counter() - began)


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1e3 for share in (0.5, 0.99))
    return {"p50": p50, "p99": p99, "max": ordered[-1] * 1e3}


def _shown(spread: dict[str, float]) -> str:
    return ", ".join(f"{name} {ms:.1f} ms" for name, ms in spread.items())


# --- history -------------------------------------------------------------------------------------


def backfill(address: str, folder: Path, products: int) -> dict[str, float]:
    """Print and return the writer's speed from topic to store, with and without features."""
    candles = list(day(products))
    records = encoded(candles)
    rates = {}
    for run, with_features in (("back-without", False), ("back-with", True)):
        pipeline = Pipeline(address, run, folder, with_features=with_features)
        pipeline.append(records)
        began = time.perf_counter()
        with pipeline.writer():
            pipeline.wait_until_read()
            rates[run] = len(candles) / (time.perf_counter() - began)
    ratio = rates["back-with"] / rates["back-without"]
    print(
        f"backfill, {len(candles)} candles from topic to store: {rates['back-with']:,.0f}/s with "
        f"the shipped group, {rates['back-without']:,.0f}/s without: {ratio:.2f}"
    )
    return {"with": rates["back-with"], "without": rates["back-without"], "ratio": ratio}


def build(folder: Path, products: int) -> dict[str, float]:
    """Print and return how fast ``features build`` fills the group from stored candles."""
    url = f"sqlite:///{folder}/build.db"
    store = LocalStore.open(url, "ohlc", 1)
    candles = list(day(products))
    for at in range(0, len(candles), 5_000):
        store.write(candles[at : at + 5_000])
    store.close()
    settings = load(FeatureStoreSettings, feature_store="local", feature_store_url=url)
    wall, cpu = time.perf_counter(), time.process_time()
    built = build_groups(settings, load_definitions(DEFINITIONS))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"features build: {built.rows} rows, {built.rows / wall:,.0f}/s, "
        f"{built.rows / cpu:,.0f} per second of CPU"
    )
    return {"rows/s": built.rows / wall, "rows per second of CPU": built.rows / cpu}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="What feature groups cost.")
    parser.add_argument("--products", type=int, default=1_000, help="live")
    parser.add_argument("--windows", type=int, default=20, help="live")
    parser.add_argument("--history-products", type=int, default=60, help="backfill and build")
    parser.add_argument("--only", nargs="+", default=["live", "backfill", "build"])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        if "build" in options.only:
            figures["build"] = build(folder, options.history_products)
        if {"live", "backfill"} & set(options.only):
            with start_broker("kafka", folder / "broker") as broker:
                if "backfill" in options.only:
                    products = options.history_products
                    figures["backfill"] = backfill(broker.address, folder, products)
                if "live" in options.only:
                    for with_features in (False, True):
                        figures |= live(
                            broker.address,
                            folder,
                            options.products,
                            options.windows,
                            with_features=with_features,
                        )
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
