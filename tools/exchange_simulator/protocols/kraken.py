"""Kraken's websocket v2 ``trade`` channel and public REST.

Sources: docs.kraken.com (websocket v2 trade, ping, status, heartbeat; REST Trades, OHLC,
AssetPairs, SystemStatus, Time) and recorded frames and bodies of 2021 to 2026.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exchange_simulator.formatting import json_number, rfc3339_us
from exchange_simulator.market.clock import SimulatedClock
from exchange_simulator.market.market import Market
from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.kraken_rest import KrakenRest
from exchange_simulator.protocols.protocol import (
    Protocol,
    Replies,
    RestAnswer,
    RestHandler,
    Session,
)

SNAPSHOT_TRADES = 50

_HEARTBEAT = '{"channel":"heartbeat"}'


class Kraken(Protocol):
    """Kraken, websocket v2 at ``/v2``, REST below ``/0/public``."""

    name = "kraken"
    websocket_paths = ("/v2",)

    def __init__(self, market: Market, clock: SimulatedClock) -> None:
        super().__init__(market, clock)
        self._rest = KrakenRest(market, clock, lambda: self.system)

    @property
    def rest_routes(self) -> Mapping[str, RestHandler]:
        """The public endpoints."""
        return self._rest.routes

    def opened(self, session: Session) -> Replies:
        """Greet with the system's status."""
        return Replies([self._status(session.number)])

    def received(self, session: Session, text: str) -> Replies:
        """Answer subscribe, unsubscribe and ping; an error for anything else."""
        time_in = rfc3339_us(self.clock.now_ns())
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            return Replies([self._failure(None, "Malformed request", {}, time_in)])
        method = request.get("method")
        echo = {"req_id": request["req_id"]} if "req_id" in request else {}
        if method == "ping":
            return Replies([self._message({"method": "pong", **echo}, time_in)])
        params: Any = request.get("params")
        fault = _fault_of_request(method, params)
        if fault:
            return Replies([self._failure(method, fault, echo, time_in)])
        act = self._subscribe if method == "subscribe" else self._unsubscribe
        return act(session, [str(each) for each in params["symbol"]], params, echo, time_in)

    def trade_frames(self, session: Session, product: str, rows: Sequence[Row]) -> list[str]:
        """Return one update with all the trades."""
        return [self._trades(product, rows, "update")]

    def malformed(self, frame: str) -> str:
        """Make the first price a word."""
        head, _, rest = frame.partition('"price":')
        return f'{head}"price":"n/a"{rest[rest.index(",") :]}'

    def unknown_channel(self) -> str:
        """Return a frame of a channel that does not exist."""
        return '{"channel":"weather","type":"update","data":[{"symbol":"BTC/USD","rain":true}]}'

    def heartbeat(self, session: Session) -> list[str]:
        """Heartbeats are automatic once there is a subscription."""
        return [_HEARTBEAT] if session.products else []

    def status_changed(self) -> list[str]:
        """Announce the system's state."""
        return [self._status(0)]

    def too_many_requests(self) -> RestAnswer:
        """Kraken's public rate limit answers with HTTP 200."""
        return self._rest.error("EGeneral:Too many requests")

    def unavailable(self) -> RestAnswer:
        """Kraken's words for being down, with HTTP 200."""
        return self._rest.error("EService:Unavailable")

    # --- subscriptions -------------------------------------------------------------------

    def _subscribe(
        self,
        session: Session,
        symbols: list[str],
        params: dict[str, Any],
        echo: dict[str, Any],
        time_in: str,
    ) -> Replies:
        wants_snapshot = params.get("snapshot", False) is True
        acks: list[str] = []
        snapshots: list[str] = []
        for symbol in symbols:
            about = {"symbol": symbol, **echo}
            if symbol not in self.market.listings:
                words = f"Currency pair not supported {symbol}"
                acks.append(self._failure("subscribe", words, about, time_in))
            elif symbol in session.products:
                acks.append(self._failure("subscribe", "Already subscribed", about, time_in))
            else:
                session.products.add(symbol)
                result = {"channel": "trade", "snapshot": wants_snapshot, "symbol": symbol}
                acks.append(self._success("subscribe", result, echo, time_in))
                if wants_snapshot:
                    newest = self.market.log(symbol).newest(SNAPSHOT_TRADES)
                    snapshots.append(self._trades(symbol, newest, "snapshot"))
        return Replies(acks + snapshots, subscribed=bool(session.products))

    def _unsubscribe(
        self,
        session: Session,
        symbols: list[str],
        params: dict[str, Any],
        echo: dict[str, Any],
        time_in: str,
    ) -> Replies:
        frames: list[str] = []
        for symbol in symbols:
            if symbol in session.products:
                session.products.remove(symbol)
                result = {"channel": "trade", "symbol": symbol}
                frames.append(self._success("unsubscribe", result, echo, time_in))
            else:
                words = "Subscription Not Found"
                about = {"symbol": symbol, **echo}
                frames.append(self._failure("unsubscribe", words, about, time_in))
        return Replies(frames)

    # --- frames --------------------------------------------------------------------------

    def _trades(self, symbol: str, rows: Sequence[Row], kind: str) -> str:
        product = self.market.listings[symbol].product
        price_decimals, quantity_decimals = product.price_decimals, product.quantity_decimals
        data = ",".join(
            f'{{"symbol":"{symbol}","side":"{"sell" if row.is_sell else "buy"}",'
            f'"price":{json_number(row.price, price_decimals)},'
            f'"qty":{json_number(row.quantity, quantity_decimals)},'
            f'"ord_type":"{"market" if row.is_market else "limit"}",'
            f'"trade_id":{row.trade_id},"timestamp":"{rfc3339_us(row.time_ns)}"}}'
            for row in rows
        )
        return f'{{"channel":"trade","type":"{kind}","data":[{data}]}}'

    def _status(self, number: int) -> str:
        # Unsigned 64 bits, the top one set, as recorded: a trap for signed parsers.
        digest = hashlib.sha256(f"{number}:{self.clock.start_ns}".encode()).digest()
        connection_id = int.from_bytes(digest[:8], "big") | 1 << 63
        data = {
            "version": "2.0.10",
            "system": self.system,
            "api_version": "v2",
            "connection_id": connection_id,
            "upcoming_maintenance": [],
            "emergency": [],
        }
        return _text({"channel": "status", "type": "update", "data": [data]})

    def _success(
        self, method: str, result: dict[str, Any], echo: dict[str, Any], time_in: str
    ) -> str:
        return self._message({"method": method, "result": result, "success": True, **echo}, time_in)

    def _failure(self, method: object, words: str, about: dict[str, Any], time_in: str) -> str:
        message = {"error": words, "method": method, "success": False, **about}
        return self._message(message, time_in)

    def _message(self, fields: dict[str, Any], time_in: str) -> str:
        return _text({**fields, "time_in": time_in, "time_out": rfc3339_us(self.clock.now_ns())})


PROTOCOL = Kraken


def _fault_of_request(method: object, params: Any) -> str:  # noqa: ANN401 - a client's JSON
    """Return what is wrong with a subscribe or unsubscribe, "" when nothing is."""
    if method not in ("subscribe", "unsubscribe"):
        return "Unsupported method"
    if not isinstance(params, dict):
        return "Params missing"
    if params.get("channel") != "trade":
        return f"Unsupported channel {params.get('channel')}"
    symbols = params.get("symbol")
    return "" if isinstance(symbols, list) and symbols else "Symbol(s) missing"


def _text(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
