"""How fresh the store is while the market goes on, and where the time goes.

Real processes with default settings and windows of 1 s: simulated exchange, trade-producer, a real
Apache Kafka, ohlc-aggregator, feature-writer, SQLite. Each stage is seen from outside, by clients
that read what the services read, on the same clock as the exchange's:

- socket: from a trade's event time to its frame at a client of the exchange
- producer + topic: from there to a reader of ``trades``
- market: from window end + GRACE_MS to the event time of what closes the window
- aggregator + topic: from what closes the window, seen in ``trades``, to the candle in ``ohlc``
- writer + store: from there to a reader of the store's newest rows
- trade to row: from the event time of the trade that closes a window to its row being readable
- beyond grace: from window end + GRACE_MS to the row being readable: the sum of all of them

With ``--withhold`` the exchange never shows three trades of one product, also not by REST. The rows
of the others are then shown, and apart from them its own candles in ``ohlc``: those that waited
come together, and a reader of the newest row sees the last of them alone.

Run: ``python benchmarks/freshness.py [--seconds 30] [--products 4] [--rates 10 1000 5000]``
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import websocket
from confluent_kafka import Consumer, TopicPartition

from live_pipeline import LivePipeline, live_pipeline

GRACE_US = 1_000_000
INTERVAL_US = 1_000_000
_WARM_SECONDS = 8.0
# The exchange starts before the pipeline: by then that is warm. The wait fits into a minute.
_WITHHOLD_SECONDS = 22

Window = tuple[str, int]


class Record(msgspec.Struct):
    """What is needed of a record of either topic."""

    type: str
    product_id: str = ""
    trade_ids: list[str] = []
    timestamps_us: list[int] = []
    watermark_us: int = 0
    window_end_ms: int = 0
    revision: int = 0


def now_us() -> int:
    """Return this machine's clock."""
    return time.time_ns() // 1_000


class Observer:
    """Notes, in threads, when each thing could first be read at each stage.

    Attributes:
        at_socket: of a sampled product's trades: when the frame was there, by id.
        in_trades: of the same: event time and when it could be read from the topic, by id.
        closed: of a window: the event time of what closes it, and when that was in ``trades``.
        in_ohlc, in_store: of a window: when its candle was there.
    """

    def __init__(self, pipeline: LivePipeline) -> None:
        self.at_socket: dict[str, int] = {}
        self.in_trades: dict[str, tuple[int, int]] = {}
        self.closed: dict[Window, tuple[int, int]] = {}
        self.in_ohlc: dict[Window, int] = {}
        self.in_store: dict[Window, int] = {}
        self._sampled = pipeline.products[0]
        self._pipeline = pipeline
        self._stop = threading.Event()
        self._decoder = msgspec.json.Decoder(Record)
        watches = (self._watch_socket, self._watch_trades, self._watch_ohlc, self._watch_store)
        self._threads = [threading.Thread(target=each) for each in watches]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _watch_socket(self) -> None:
        client = websocket.create_connection(self._pipeline.websocket_url)
        params = {"channel": "trade", "symbol": [self._sampled], "snapshot": False}
        client.send(json.dumps({"method": "subscribe", "params": params}))
        while not self._stop.is_set():
            message = client.recv()
            now = now_us()
            frame = json.loads(message)
            if frame.get("channel") == "trade":
                for trade in frame["data"]:
                    self.at_socket[str(trade["trade_id"])] = now
        client.close()

    def _records(self, topic: str) -> Iterable[tuple[int, Record]]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._pipeline.broker_address,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "auto.offset.reset": "latest",
            }
        )
        partitions = consumer.list_topics(topic).topics[topic].partitions
        consumer.assign([TopicPartition(topic, each) for each in partitions])
        while not self._stop.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                now = now_us()
                yield now, self._decoder.decode(message.value() or b"")
        consumer.close()

    def _watch_trades(self) -> None:
        reached: dict[str, int] = {}
        for now, record in self._records("trades"):
            times = record.timestamps_us or [record.watermark_us]
            if record.product_id == self._sampled:
                for trade_id, event_us in zip(record.trade_ids, times, strict=False):
                    self.in_trades[trade_id] = (event_us, now)
            for event_us in times:
                before = reached.get(record.product_id, event_us) - GRACE_US
                if event_us - GRACE_US > before:
                    first, last = before // INTERVAL_US + 1, (event_us - GRACE_US) // INTERVAL_US
                    for number in range(first, last + 1):
                        window = (record.product_id, number * INTERVAL_US)
                        self.closed[window] = (event_us, now)
                reached[record.product_id] = max(event_us, reached.get(record.product_id, 0))

    def _watch_ohlc(self) -> None:
        for now, record in self._records("ohlc"):
            self.in_ohlc.setdefault((record.product_id, record.window_end_ms * 1_000), now)

    def _watch_store(self) -> None:
        connection = self._pipeline.store()
        connection.isolation_level = None
        version, newest = 0, 0
        while not self._stop.wait(0.001):
            (found,) = connection.execute("PRAGMA data_version").fetchone()
            if found == version:
                continue
            version = found
            rows = connection.execute(
                "SELECT product_id, window_end, stored_at FROM ohlc_1_latest WHERE stored_at >= ?",
                (newest,),
            ).fetchall()
            now = now_us()
            for product, end_ms, stored_ms in rows:
                newest = max(newest, stored_ms)
                self.in_store.setdefault((product, end_ms * 1_000), now)
        connection.close()


def table(seen: Observer, from_us: int, until_us: int) -> dict[str, list[float]]:
    """Return the waits of each stage in ms; windows that ended outside of the time are left out."""
    waits: dict[str, list[float]] = {
        "socket": [],
        "producer + topic": [],
        "market": [],
        "aggregator + topic": [],
        "writer + store": [],
        "trade to row": [],
        "beyond grace": [],
    }
    for trade_id, (event_us, in_trades) in seen.in_trades.items():
        if trade_id in seen.at_socket and from_us <= event_us < until_us:
            waits["socket"].append((seen.at_socket[trade_id] - event_us) / 1e3)
            waits["producer + topic"].append((in_trades - seen.at_socket[trade_id]) / 1e3)
    for window, in_store in seen.in_store.items():
        due_us = window[1] + GRACE_US
        if window in seen.closed and window in seen.in_ohlc and from_us <= due_us < until_us:
            event_us, in_trades = seen.closed[window]
            waits["market"].append((event_us - due_us) / 1e3)
            waits["aggregator + topic"].append((seen.in_ohlc[window] - in_trades) / 1e3)
            waits["writer + store"].append((in_store - seen.in_ohlc[window]) / 1e3)
            waits["trade to row"].append((in_store - event_us) / 1e3)
            waits["beyond grace"].append((in_store - due_us) / 1e3)
    return waits


def beyond_grace(
    readable: Mapping[Window, int], products: Sequence[str], from_us: int, until_us: int
) -> list[float]:
    """Return the waits of some products' windows, up to where they were readable, in ms."""
    return [
        (at_us - end_us - GRACE_US) / 1e3
        for (product, end_us), at_us in readable.items()
        if product in products and from_us <= end_us + GRACE_US < until_us
    ]


def withheld(product: str, rate: float) -> str:
    """Return the simulator's fault, some time after the pipeline has warmed up."""
    skip = {"fault": "skip", "trades": 3, "product": product, "withhold": True}
    return json.dumps({"fault": skip, "at_trades": int(rate * _WITHHOLD_SECONDS)})


def measure(
    rate: float, products: int, seconds: float, *, withholds: bool
) -> dict[str, dict[str, float]]:
    """Run a pipeline, print its table and return it."""
    faults = withheld("P0000/USD", rate) if withholds else ""
    with (
        tempfile.TemporaryDirectory() as folder,
        live_pipeline(Path(folder), products, rate, faults) as pipeline,
    ):
        seen = Observer(pipeline)
        time.sleep(_WARM_SECONDS)
        from_us = now_us()
        time.sleep(seconds)
        until_us = now_us()
        time.sleep(2 * (GRACE_US + INTERVAL_US) / 1e6)
        seen.stop()
        gaps = [line for line in pipeline.log("producer").splitlines() if "retrieved" in line]
    print(f"\n{rate:g} trades/s, {products} products, {seconds:g} s; ms", flush=True)
    print(f"  {'':20} {'count':>7} {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8}")
    waits_by_name = table(seen, from_us, until_us)
    if withholds:
        waiting = pipeline.products[:1]
        waits_by_name = {
            "others' beyond grace": beyond_grace(
                seen.in_store, pipeline.products[1:], from_us, until_us
            ),
            "its own, in ohlc": beyond_grace(seen.in_ohlc, waiting, from_us, until_us),
        }
        print("\n".join(gaps) or "  no trades were withheld")
    figures: dict[str, dict[str, float]] = {}
    for name, waits in waits_by_name.items():
        if len(waits) < 2:
            print(f"  {name:20} {len(waits):7}")
            continue
        cuts = statistics.quantiles(waits, n=100, method="inclusive")
        row = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(waits)}
        shown = " ".join(f"{each:8.1f}" for each in row.values())
        print(f"  {name:20} {len(waits):7} {shown}", flush=True)
        figures[name] = row | {"count": len(waits)}
    return figures


def main() -> None:
    """Measure each rate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, help="30; with --withhold 60")
    parser.add_argument("--products", type=int, default=4)
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 1_000, 5_000])
    parser.add_argument("--withhold", action="store_true")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (60 if arguments.withhold else 30)
    figures = {
        f"{rate:g}": measure(rate, arguments.products, seconds, withholds=arguments.withhold)
        for rate in arguments.rates
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
