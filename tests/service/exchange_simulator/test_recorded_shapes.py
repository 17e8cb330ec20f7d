"""Simulated frames have the fields of recorded ones, in their order and of their types."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support.market_data import market_file
from support.simulator import start_simulator
from support.websocket_frames import FrameReader, Message

pytestmark = pytest.mark.service


def shape(value: Any) -> Any:
    """Return the value with every leaf replaced by its type; a list by its first element's."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__ if not isinstance(value, int | float) else "number"


def in_order(value: Any) -> str:
    return json.dumps(shape(value))


def simulated(exchange: str, path: str, request: Message | None) -> Iterator[Message]:
    with (
        start_simulator(
            exchange=exchange, simulator_rate=300, simulator_history="10s"
        ) as simulator,
        FrameReader(simulator.ws_url.removesuffix("/ws") + path) as reader,
    ):
        if request is not None:
            reader.send(request)
        while True:
            yield reader.next()


def first(messages: Iterator[Message], wanted: Callable[[Message], bool]) -> Message:
    for message in messages:
        if wanted(message):
            return message
    raise AssertionError("no such frame")


def test_kraken_frames() -> None:
    path = market_file("kraken/ws_v2/kraken_v2_trade_BTCUSD_ETHUSD_20260926.jsonl")
    recorded = [json.loads(line) for line in path.read_text().splitlines()]
    params = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": True}
    frames = simulated("kraken", "", {"method": "subscribe", "params": params})
    kinds: list[Callable[[Message], bool]] = [
        lambda message: message.get("channel") == "status",
        lambda message: message.get("method") == "subscribe",
        lambda message: message.get("type") == "snapshot",
        lambda message: message.get("channel") == "trade" and message["type"] == "update",
    ]
    for is_kind in kinds:
        assert in_order(first(frames, is_kind)) == in_order(first(iter(recorded), is_kind))


def test_coinbase_matches() -> None:
    lines = market_file("coinbase/ws/COINBASE.ws.28.0").read_text().splitlines()
    recorded = [json.loads(line.partition(": ")[2]) for line in lines if '"type":"' in line]
    request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}
    frames = simulated("coinbase", "", request)
    for kind in ("subscriptions", "last_match", "match"):
        ours, theirs = (
            first(iter(each), lambda message, kind=kind: message["type"] == kind)  # type: ignore[misc]
            for each in (frames, recorded)
        )
        assert in_order(ours) == in_order(theirs)


def test_binance_combined_trades() -> None:
    path = market_file("binance/ws_hft/spot_btcusdt_20240808.gz")
    with gzip.open(path, "rt") as lines:
        recorded = next(
            json.loads(line.partition(" ")[2]) for line in lines if "btcusdt@trade" in line
        )
    frames = simulated("binance", "/stream?streams=btcusdt@trade", None)
    assert in_order(next(frames)) == in_order(recorded)


def test_bitstamp_trades() -> None:
    lines = market_file("bitstamp/ws/BITSTAMP.ws.1.0").read_text().splitlines()
    recorded = [json.loads(line.partition(": ")[2]) for line in lines if '"event":"' in line]
    request = {"event": "bts:subscribe", "data": {"channel": "live_trades_btcusd"}}
    frames = simulated("bitstamp", "", request)
    for event in ("bts:subscription_succeeded", "trade"):
        ours, theirs = (
            first(iter(each), lambda message, event=event: message["event"] == event)  # type: ignore[misc]
            for each in (frames, [m for m in recorded if m["event"] != "bts:subscribe"])
        )
        assert in_order(ours) == in_order(theirs)


def test_bitstamp_transactions() -> None:
    path = market_file("bitstamp/rest/transactions_btcusd_hour_20190614.json")
    recorded = json.loads(path.read_bytes())
    with start_simulator(exchange="bitstamp", simulator_history="1m") as simulator:
        response = httpx.get(f"{simulator.rest_url}/api/v2/transactions/btcusd/")
    assert in_order(response.json()) == in_order(recorded)
