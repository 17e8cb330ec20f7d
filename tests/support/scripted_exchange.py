"""An exchange that says exactly what a test asks it to, in Kraken's words.

It acknowledges subscriptions, answers pings, sends what `ScriptedExchange.send` is given, and
its REST history holds what the test put into `history`.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web

PRODUCT = "BTC/USD"

_DEADLINE = 30.0


class Row(NamedTuple):
    """One trade of the product."""

    trade_id: int
    time_us: int

    def live(self, **changes: object) -> dict[str, object]:
        """Return the row of a trade frame, changed where asked."""
        stamp = datetime.fromtimestamp(self.time_us // 1_000_000, UTC)
        fraction = f"{self.time_us % 1_000_000:06d}"
        return {
            "symbol": PRODUCT,
            "side": "buy",
            "price": 84_000.5,
            "qty": 0.25,
            "ord_type": "market",
            "trade_id": self.trade_id,
            "timestamp": f"{stamp:%Y-%m-%dT%H:%M:%S}.{fraction}Z",
        } | changes


class ScriptedExchange:
    """Runs in a thread; everything is said to all connections."""

    def __init__(self) -> None:
        self.history: list[Row] = []
        self.snapshot: list[Row] = []
        self.pong_time = ""
        self.delisted: set[str] = set()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._sockets: list[web.WebSocketResponse] = []
        self._subscribed = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def env(self) -> dict[str, str]:
        """The settings of a producer that connects here."""
        address = f"127.0.0.1:{self.port}"
        return {"EXCHANGE_WS_URL": f"ws://{address}/v2", "EXCHANGE_REST_URL": f"http://{address}"}

    def wait_subscribed(self) -> None:
        """Wait until a producer has subscribed."""
        assert self._subscribed.wait(_DEADLINE), "nobody subscribed"

    def trades(self, *rows: Row | dict[str, object]) -> None:
        """Send one trade frame."""
        data = [row.live() if isinstance(row, Row) else row for row in rows]
        self.send({"channel": "trade", "type": "update", "data": data})

    def send(self, frame: dict[str, Any] | str) -> None:
        """Send a frame to everyone."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        asyncio.run_coroutine_threadsafe(self._send(text), self._loop).result(_DEADLINE)

    def drop(self) -> None:
        """End all connections."""
        self._subscribed.clear()
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(_DEADLINE)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        assert self._ready.wait(_DEADLINE)

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE)

    async def _send(self, text: str) -> None:
        for each in self._sockets:
            if not each.closed:
                await each.send_str(text)

    async def _drop(self) -> None:
        for each in self._sockets:
            await each.close()
        self._sockets.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/v2", self._websocket)
        app.router.add_get("/0/public/Trades", self._trades)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        self._sockets.append(response)
        async for message in response:
            if message.type is WSMsgType.TEXT:
                for answer in self._answers(json.loads(message.data)):
                    await response.send_str(json.dumps(answer))
        return response

    def _answers(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        now = self.pong_time or datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if asked["method"] == "ping":
            yield {"method": "pong", "req_id": asked["req_id"], "time_out": now}
            return
        for symbol in asked["params"]["symbol"]:
            if symbol in self.delisted:
                error = f"Currency pair not supported {symbol}"
                yield {"method": "subscribe", "success": False, "symbol": symbol, "error": error}
                continue
            yield {"method": "subscribe", "success": True, "result": {"symbol": symbol}}
        data = [row.live() for row in self.snapshot]
        yield {"channel": "trade", "type": "snapshot", "data": data}
        self._subscribed.set()

    async def _trades(self, request: web.Request) -> web.Response:
        since = int(request.query["since"])
        rows = [row for row in self.history if row.time_us * 1_000 >= since][:1_000]
        last = rows[-1].time_us * 1_000 if rows else since
        listed = [
            ["84000.5", "0.25", row.time_us / 1e6, "b", "m", "", row.trade_id] for row in rows
        ]
        return web.json_response({"error": [], "result": {"XXBTZUSD": listed, "last": str(last)}})


@contextmanager
def scripted_exchange() -> Iterator[ScriptedExchange]:
    """Run one."""
    exchange = ScriptedExchange()
    exchange.start()
    try:
        yield exchange
    finally:
        exchange.stop()
