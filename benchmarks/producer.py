"""How fast the trade producer is, as ratios to its bare parts, and how it bears a steady load.

Frames like Kraken's are pushed by a process of their own through a real websocket; the broker is a
real Apache Kafka on this machine. Compared on the same frames:

- receive: bare websocket-client ``recv`` and ``json.loads``
- produce: bare librdkafka, idempotent, of records of the same bytes, to acknowledgement
- ours:    frames in to acknowledged records, contiguity and exact decimals included

Run: ``python benchmarks/producer.py [frames] [trades a frame] [seconds of load] [--json FILE]``
"""

import argparse
import base64
import hashlib
import json
import multiprocessing
import os
import socket
import struct
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import websocket
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from local_stack.brokers import LocalBroker, start_broker
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.kafka.config import producer_config
from ohlc_core.messages.codec import encode_trades
from ohlc_core.service.runner import Runtime
from ohlc_core.service.settings import load
from ohlc_exchanges.kraken.adapter import Kraken
from trade_producer.metrics import Metrics
from trade_producer.producer import LiveProducer
from trade_producer.settings import ProducerSettings
from trade_producer.topic_writer import TopicWriter

PRODUCT = "BTC/USD"
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
FIRST_ID = 1_000_000
STEADY_TRADES_A_SECOND = 5_000


# --- the frames, and a server that pushes them ------------------------------------------------


def trade_frame(first_id: int, trades: int, kind: str = "update", before: bool = False) -> bytes:
    """Return one frame of Kraken's trade channel."""
    rows = []
    for trade_id in range(first_id, first_id + trades):
        moment = START + timedelta(microseconds=100 * (trade_id - FIRST_ID) - before)
        rows.append(
            {
                "symbol": PRODUCT,
                "side": "buy" if trade_id % 3 else "sell",
                "price": round(84_000 + trade_id % 1_000 / 10, 1),
                "qty": round(0.0001 + trade_id % 977 / 1e5, 8),
                "ord_type": "limit",
                "trade_id": trade_id,
                "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
        )
    return json.dumps({"channel": "trade", "type": kind, "data": rows}).encode()


def framed(payload: bytes) -> bytes:
    """Wrap a payload as an unmasked text frame (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return struct.pack("!BB", 0x81, length) + payload
    return struct.pack("!BBH", 0x81, 126, length) + payload


def serve(port: "multiprocessing.Queue[int]", frames: int, trades: int, rate: float) -> None:
    """Push the frames to every client that subscribes; ``rate`` frames a second, 0: all at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    port.put(listener.getsockname()[1])
    ack = {"method": "subscribe", "success": True, "result": {"symbol": PRODUCT}}
    head = framed(json.dumps(ack).encode()) + framed(trade_frame(FIRST_ID - 1, 1, "snapshot", True))
    bodies = [framed(trade_frame(FIRST_ID + i * trades, trades)) for i in range(frames)]
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_push, args=(client, head, bodies, rate), daemon=True).start()


def _push(client: socket.socket, head: bytes, bodies: list[bytes], rate: float) -> None:
    request = client.recv(65_536).decode()
    key = next(
        line for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key")
    )
    digest = hashlib.sha1((key.split(": ")[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
    accept = base64.b64encode(digest.digest()).decode()
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
    )
    client.recv(65_536)
    client.sendall(head)
    began = time.monotonic()
    try:
        if rate == 0:
            client.sendall(b"".join(bodies))
        else:
            for number, body in enumerate(bodies):
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
                client.sendall(body)
        while True:  # keep the connection: a closed one would be made again
            client.sendall(framed(b'{"channel":"heartbeat"}'))
            time.sleep(1)
    except OSError:
        return


# --- what is compared ---------------------------------------------------------------------------


def bare_receive(url: str, trades: int) -> float:
    """Return the seconds that receiving and decoding takes."""
    client = websocket.create_connection(url, skip_utf8_validation=True)
    client.send('{"method":"subscribe"}')
    left, began = trades + 1, time.perf_counter()
    while left > 0:
        message = json.loads(client.recv())
        if message.get("channel") == "trade":
            left -= len(message["data"])
    seconds = time.perf_counter() - began
    client.shutdown()
    return seconds


def bare_produce(settings: ProducerSettings, frames: int, trades: int) -> float:
    """Return the seconds until librdkafka has the records of all frames acknowledged."""
    adapter = Kraken()
    values = []
    for number in range(frames):
        (seen,) = adapter.read_frame(trade_frame(FIRST_ID + number * trades, trades))
        values.append(encode_trades("kraken", PRODUCT, "websocket", seen.trades))  # type: ignore[union-attr]
    topic = settings.topics.trades
    ensure_topics(settings, settings.topics, [topic])
    producer = Producer(producer_config(settings))
    began = time.perf_counter()
    for value in values:
        while True:
            try:
                producer.produce(topic, value=value, key=f"kraken:{PRODUCT}")
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    assert producer.flush(60) == 0
    return time.perf_counter() - began


def ours(
    settings: ProducerSettings, trades: int, on_progress: Callable[[int], None] | None = None
) -> float:
    """Return the seconds from the start of receiving until all trades are acknowledged."""
    runtime, metrics = Runtime(), Metrics(CollectorRegistry())
    ensure_topics(settings, settings.topics, [settings.topics.trades, settings.topics.trades_dlq])
    acknowledged, began = 0, 0.0

    def count(appended: int) -> None:
        nonlocal acknowledged
        acknowledged += appended

    writer = TopicWriter(settings, settings.topics, "", runtime.stop, on_acknowledged=count)
    producer = LiveProducer(settings, Kraken(), runtime, writer, metrics)

    def watch() -> None:
        while acknowledged < trades and not runtime.stop.is_set():
            time.sleep(0.01)
            if on_progress is not None:
                on_progress(acknowledged)
        nonlocal ended
        ended = time.perf_counter()
        runtime.stop.set()

    ended = 0.0
    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    producer.run(dict)
    watcher.join()
    assert acknowledged == trades, (acknowledged, trades)
    return ended - began


# --- the report -----------------------------------------------------------------------------------


def settings_for(broker: LocalBroker, url: str) -> ProducerSettings:
    """Return settings with topics of their own."""
    return load(
        ProducerSettings,
        _env_file=None,
        kafka_broker_address=broker.address,
        exchange_ws_url=url,
        exchange_rest_url="http://127.0.0.1:9",
        product_ids=(PRODUCT,),
        run_id=f"bench-{uuid.uuid4().hex[:8]}",
        start_from=START.isoformat(),
        ohlc_intervals=("1h",),
    )


def start_server(frames: int, trades: int, rate: float) -> tuple[Any, str]:
    """Start the pushing process; return it and its address."""
    context = multiprocessing.get_context("spawn")
    port: Any = context.Queue()
    server = context.Process(target=serve, args=(port, frames, trades, rate), daemon=True)
    server.start()
    return server, f"ws://127.0.0.1:{port.get(timeout=120)}"


def compare(broker: LocalBroker, frames: int, trades: int) -> dict[str, float]:
    """Print the three rates and the two ratios; return ours."""
    total = frames * trades
    server, url = start_server(frames, trades, 0)
    receive = min(bare_receive(url, total) for _ in range(2))
    produce = min(bare_produce(settings_for(broker, url), frames, trades) for _ in range(2))
    whole = min(ours(settings_for(broker, url), total) for _ in range(2))
    server.kill()
    print(f"{frames} frames of {trades} trades; best of 2")
    for name, seconds in (
        ("bare receive + decode", receive),
        ("bare produce", produce),
        ("ours", whole),
    ):
        rate = f"{total / seconds:10,.0f} trades/s {frames / seconds:9,.0f} frames/s"
        print(f"  {name:<22} {seconds:7.2f} s {rate}")
    print(f"  ours / bare receive   {receive / whole:7.2f}")
    print(f"  ours / bare produce   {produce / whole:7.2f}")
    return {
        "trades/s": total / whole,
        "frames/s": frames / whole,
        "of bare receive": receive / whole,
        "of bare produce": produce / whole,
    }


def steady(broker: LocalBroker, seconds: int) -> dict[str, float]:
    """Print memory and lag under 5,000 trades a second; return core and memory."""
    trades = 5
    frames = seconds * STEADY_TRADES_A_SECOND // trades
    server, url = start_server(frames, trades, STEADY_TRADES_A_SECOND / trades)
    process = psutil.Process(os.getpid())
    memory: list[tuple[float, int]] = []
    began = time.monotonic()

    def note(_acknowledged: int) -> None:
        now = time.monotonic() - began
        if not memory or now - memory[-1][0] >= 1:
            memory.append((now, process.memory_info().rss >> 20))

    cpu = process.cpu_times()
    took = ours(settings_for(broker, url), frames * trades, note)
    used = process.cpu_times()
    server.kill()
    core = (used.user + used.system - cpu.user - cpu.system) / took
    third = len(memory) // 3
    print(
        f"steady {STEADY_TRADES_A_SECOND:,} trades/s for {seconds} s: took {took:.1f} s, "
        f"{core:.0%} of a core; memory {memory[third][1]} MB after a third, "
        f"{memory[-1][1]} MB at the end"
    )
    return {
        "core": core,
        "MB after a third": memory[third][1],
        "MB at the end": memory[-1][1],
    }


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=int, nargs="?", default=20_000)
    parser.add_argument("trades", type=int, nargs="?", default=5, help="a frame")
    parser.add_argument("seconds", type=int, nargs="?", default=60, help="of steady load")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start_broker("kafka", Path(folder)) as broker:
        figures = {
            "compared": compare(broker, options.frames, options.trades),
            "steady": steady(broker, options.seconds),
        }
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
