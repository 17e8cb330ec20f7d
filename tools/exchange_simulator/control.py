"""The control interface: faults, the clock, and the market's whole truth, for tests."""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from exchange_simulator.faults.board import FaultBoard
from exchange_simulator.faults.model import read_orders
from exchange_simulator.feed import Feed
from exchange_simulator.formatting import NS, fixed, rfc3339_us
from exchange_simulator.market.market import Listing
from exchange_simulator.market.trade_log import Row

_Handler = Callable[[web.Request], Awaitable[web.Response]]

#: Names of this machine: a page of another name that resolves here is refused.
_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Control:
    """The handlers below ``/control``."""

    def __init__(self, feed: Feed, board: FaultBoard) -> None:
        self._feed = feed
        self._board = board
        self.routes = [
            web.get("/control/state", _guarded(self._state)),
            web.get("/control/trades", _guarded(self._trades)),
            web.post("/control/faults", _guarded(self._order)),
            web.delete("/control/faults", _guarded(self._clear)),
            web.post("/control/pause", _guarded(self._pause)),
            web.post("/control/resume", _guarded(self._resume)),
            web.post("/control/advance", _guarded(self._advance)),
        ]

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._describe())

    async def _trades(self, request: web.Request) -> web.Response:
        """Answer JSON lines of the trades of ``product``, ``from_id`` to ``to_id``, both in."""
        name = request.query.get("product", "")
        listing = self._feed.market.listings.get(name)
        if listing is None:
            known = ", ".join(self._feed.market.listings)
            return _refusal(404, f"product was {name!r}; allowed: {known}")
        log = listing.log
        try:
            start = log.index_at_id(int(request.query.get("from_id", "0")))
            stop = log.index_at_id(int(request.query.get("to_id", str((1 << 62) - 1))) + 1)
        except (ValueError, OverflowError):
            return _refusal(400, "from_id and to_id are trade ids")
        lines = [
            _truth(listing, log.row(index), withheld=index in log.withheld)
            for index in range(start, stop)
        ]
        return web.Response(text="".join(lines), content_type="application/x-ndjson")

    async def _order(self, request: web.Request) -> web.Response:
        try:
            orders = read_orders(await request.read())
        except ValueError as error:
            return _refusal(400, str(error))
        unknown = [
            name
            for order in orders
            if (name := getattr(order.fault, "product", ""))
            and name not in self._feed.market.listings
        ]
        if unknown:
            return _refusal(400, f"product was {unknown[0]!r}, which the market has not")
        self._board.order(orders)
        self._feed.deal_due()
        return web.json_response({"pending": self._board.pending})

    async def _clear(self, request: web.Request) -> web.Response:
        self._board.clear()
        return web.json_response({"pending": self._board.pending})

    async def _pause(self, request: web.Request) -> web.Response:
        self._feed.clock.pause()
        return web.json_response(self._describe())

    async def _resume(self, request: web.Request) -> web.Response:
        self._feed.release_hold()
        return web.json_response(self._describe())

    async def _advance(self, request: web.Request) -> web.Response:
        """Move simulated time ahead by ``seconds``; what happens meanwhile is sent at once."""
        try:
            seconds = float(request.query["seconds"])
            if not 0 <= seconds <= 10**7:
                raise ValueError
        except (KeyError, ValueError):
            return _refusal(400, "seconds is missing, or not from 0 to 10000000")
        self._feed.clock.advance(int(seconds * NS))
        self._feed.tick()
        return web.json_response(self._describe())

    def _describe(self) -> dict[str, object]:
        feed = self._feed
        now = feed.clock.now_ns()
        return {
            "exchange": feed.protocol.name,
            "clock": rfc3339_us(now),
            "clock_ns": now,
            "start_ns": feed.clock.start_ns,
            "running": feed.clock.is_running,
            "held": feed.is_held,
            "exhausted": feed.market.is_exhausted,
            "live_trades": feed.market.live_trades,
            "system": feed.protocol.system,
            "connections": len(feed.connections),
            "connections_ever": feed.connections_ever,
            "products": {
                name: self._listing(name, listing) for name, listing in feed.market.listings.items()
            },
            "faults_pending": self._board.pending,
            "faults_dealt": dict(self._board.dealt),
            "rest_calls": feed.rest_calls,
        }

    def _listing(self, name: str, listing: Listing) -> dict[str, object]:
        log = listing.log
        return {
            "trades": len(log),
            "first_id": log.row(0).trade_id if len(log) else None,
            "last_id": log.row(len(log) - 1).trade_id if len(log) else None,
            "withheld": len(log.withheld),
            "subscribers": sum(
                name in connection.session.products for connection in self._feed.connections
            ),
        }


def _guarded(handler: _Handler) -> _Handler:
    """Return the handler behind checks that a web page open in a browser here cannot pass."""

    async def checked(request: web.Request) -> web.Response:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        if host not in _HOSTS:
            return _refusal(403, f"Host was {host!r}; allowed: {', '.join(sorted(_HOSTS))}")
        if "Origin" in request.headers:
            return _refusal(403, "requests of web pages (with Origin) are refused")
        if request.can_read_body and request.content_type != "application/json":
            return _refusal(
                415, f"Content-Type was {request.content_type!r}; allowed: application/json"
            )
        return await handler(request)

    return checked


def _truth(listing: Listing, row: Row, *, withheld: bool) -> str:
    product = listing.product
    trade = {
        "trade_id": row.trade_id,
        "price": fixed(row.price, product.price_decimals),
        "quantity": fixed(row.quantity, product.quantity_decimals),
        "side": "sell" if row.is_sell else "buy",
        "order_type": "market" if row.is_market else "limit",
        "time_ns": row.time_ns,
        "withheld": withheld,
    }
    return json.dumps(trade) + "\n"


def _refusal(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)
