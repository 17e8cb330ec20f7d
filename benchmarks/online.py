"""Reading the newest rows from Redis while a writer writes: latency of each call.

    python benchmarks/online.py [--products 1000] [--reads 10000] [--pause 1]

A writer of its own process puts a candle of every product and the shipped features into SQLite and
Redis each second (--pause 0: as fast as it can); this process reads one product at a time, from
Redis and, to compare, from SQLite.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import redis

import features as made
from local_stack.ports import free_port
from ohlc_core.service.settings import load
from ohlc_features.define.loading import load_definitions
from ohlc_features.factory import open_store
from ohlc_features.reading import FeatureReader
from ohlc_features.settings import FeatureStoreSettings

AGE = timedelta(days=36_500)
START = made.START_MS + made.HISTORY * made.MINUTE


def settings(folder: Path, url: str) -> FeatureStoreSettings:
    """Return the settings of store and Redis."""
    store = f"sqlite:///{folder}/features.db"
    return load(FeatureStoreSettings, feature_store_url=store, online_store_url=url)


def write(folder: Path, url: str, products: int, pause: float) -> None:
    """Write for ever; a line is printed once every product has a row."""
    store = open_store(settings(folder, url), definitions=load_definitions(made.DEFINITIONS))
    draw = random.Random(1)
    for number in range(products):
        name = made.name(number)
        ends = [("1m", n * made.MINUTE) for n in range(made.HISTORY)]
        ends += [("1h", n * 60 * made.MINUTE) for n in range(5)]
        store.write([made.candle(draw, name, interval, START - back) for interval, back in ends])
    print("ready", flush=True)
    window = 1
    while True:
        began, end = time.monotonic(), START + window * made.MINUTE
        for interval in ("1h", "1m") if window % 60 == 0 else ("1m",):
            names = map(made.name, range(products))
            store.write([made.candle(draw, name, interval, end) for name in names])
        window += 1
        time.sleep(max(0.0, pause - (time.monotonic() - began)))


def timed(call: Callable[[str], object], products: int, reads: int) -> dict[str, float]:
    """Return the latencies in ms of calls for random products."""
    draw = random.Random(2)
    times = []
    for _ in range(reads):
        product = made.name(draw.randrange(products))
        began = time.perf_counter()
        call(product)
        times.append(time.perf_counter() - began)
        time.sleep(0.0005)
    times.sort()
    p50, p99 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99))
    print(f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {times[-1] * 1e3:.2f} ms", flush=True)
    return {"p50": p50, "p99": p99, "max": times[-1] * 1e3}


def latest(reader: FeatureReader, product: str) -> object:
    """Read a product's newest candle."""
    return reader.latest("kraken", product, "1m")


def vector(reader: FeatureReader, product: str) -> object:
    """Read a product's newest features."""
    return reader.vector("momentum", "kraken", product, "1m", max_age=AGE)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--reads", type=int, default=10_000)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between windows")
    parser.add_argument("--write", nargs=2)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    if options.write:
        write(Path(options.write[0]), options.write[1], options.products, options.pause)
    with tempfile.TemporaryDirectory() as text:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", text]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        url = f"redis://127.0.0.1:{port}/0"
        again = [sys.executable, __file__, "--write", text, url]
        again += [f"--products={options.products}", f"--pause={options.pause}"]
        writer = subprocess.Popen(again, stdout=subprocess.PIPE)
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            client = redis.Redis.from_url(url)
            print("PING                 ", end="")
            figures = {"PING": timed(lambda _: client.ping(), 1, options.reads)}
            for store, address in (("Redis", url), ("SQLite", "")):
                with FeatureReader.open(settings(Path(text), address)) as reader:
                    for name, call in (
                        ("latest", partial(latest, reader)),
                        ("vector", partial(vector, reader)),
                    ):
                        print(f"{name} of {store:10} ", end="")
                        took = timed(call, options.products, options.reads)
                        figures[f"{name} of {store}"] = took
        finally:
            writer.kill()
            server.kill()
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
