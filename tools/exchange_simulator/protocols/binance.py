"""Binance spot: trade streams, raw (``/ws``) and combined (``/stream``), and REST.

Sources: the binance-spot-api-docs repository (web-socket-streams, rest-api, errors; July 2026)
and combined-stream frames recorded in 2024.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec

from exchange_simulator.formatting import padded
from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.binance_rest import BinanceRest, symbol_of
from exchange_simulator.protocols.protocol import (
    Protocol,
    Replies,
    RestAnswer,
    RestHandler,
    Session,
)
from exchange_simulator.protocols.rest_responses import json_answer

_MAX_STREAMS = 1024


class Binance(Protocol):
    """Binance spot; streams are named in the address or subscribed to."""

    name = "binance"
    default_products = ("BTC/USDT", "ETH/USDT", "LTC/USDT")
    websocket_paths = ("/ws", "/ws/{streams:.+}", "/stream")
    ping_seconds = 20.0

    @property
    def rest_routes(self) -> Mapping[str, RestHandler]:
        """The public endpoints below ``/api/v3``."""
        return BinanceRest(self.market, self.clock).routes

    def opened(self, session: Session) -> Replies:
        """Subscribe to the address's streams; nothing is said."""
        if _is_combined(session):
            names = session.query.get("streams", "").split("/")
        else:
            names = session.path.removeprefix("/ws").strip("/").split("/")
        self._add(session, [name for name in names if name])
        return Replies([], subscribed=bool(session.products))

    def received(self, session: Session, text: str) -> Replies:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            return Replies([_dump({"code": 3, "msg": f"Invalid JSON: {error}"})])
        method, number = request.get("method"), request.get("id")
        params = request.get("params", [])
        if not isinstance(params, list) or not all(isinstance(each, str) for each in params):
            words = "Invalid request: request params must be a list of streams"
            return Replies([_dump({"code": 2, "msg": words, "id": number})])
        if method == "SUBSCRIBE":
            before = len(session.products)
            self._add(session, params)
            ack = _dump({"result": None, "id": number})
            return Replies([ack], subscribed=len(session.products) > before)
        if method == "UNSUBSCRIBE":
            for name in params:
                session.streams.pop(name, None)
            session.products = set(session.streams.values()) - {""}
            return Replies([_dump({"result": None, "id": number})])
        if method == "LIST_SUBSCRIPTIONS":
            return Replies([_dump({"result": list(session.streams), "id": number})])
        words = f"Invalid request: unknown variant `{method}`"
        return Replies([_dump({"code": 2, "msg": words, "id": number})])

    def variant(self, session: Session) -> Hashable:
        """Frames differ by wrapping and by time unit."""
        return _is_combined(session), _scale(session)

    def trade_frames(self, session: Session, product: str, rows: Sequence[Row]) -> list[str]:
        """Return one event a trade."""
        is_combined, scale = _is_combined(session), _scale(session)
        symbol = symbol_of(product)
        spec = self.market.listings[product].product
        head = f'{{"stream":"{symbol.lower()}@trade","data":' if is_combined else ""
        tail = "}" if is_combined else ""
        return [
            f'{head}{{"e":"trade","E":{row.time_ns // scale},"s":"{symbol}","t":{row.trade_id},'
            f'"p":"{padded(row.price, spec.price_decimals, 8)}",'
            f'"q":"{padded(row.quantity, spec.quantity_decimals, 8)}",'
            f'"T":{row.time_ns // scale},"m":{"true" if row.is_sell else "false"},"M":true}}{tail}'
            for row in rows
        ]

    def malformed(self, frame: str) -> str:
        """Make the price a word."""
        head, _, rest = frame.partition('"p":"')
        return f'{head}"p":"n/a{rest[rest.index(chr(34)) :]}'

    def unknown_channel(self) -> str:
        """Return an event that does not exist."""
        return '{"e":"weather","s":"BTCUSDT","rain":true}'

    def heartbeat(self, session: Session) -> list[str]:
        """Return none: the exchange pings at the websocket's own level."""
        return []

    def reconnect_asked(self) -> list[str]:
        """Announce the shutdown of this server."""
        return [_dump({"e": "serverShutdown", "E": self.clock.now_ns() // 1_000_000})]

    def too_many_requests(self) -> RestAnswer:
        """Binance's weight limit, with the seconds to stay away."""
        words = "Too many requests; current limit is 6000 request weight per 1 MINUTE."
        return json_answer({"code": -1003, "msg": words}, 429, {"Retry-After": "1"})

    def unavailable(self) -> RestAnswer:
        """Binance, down."""
        words = "Service unavailable from a restricted or overloaded system."
        return json_answer({"code": -1008, "msg": words}, 503)

    def _add(self, session: Session, names: Sequence[str]) -> None:
        """Note streams; those of unknown symbols are accepted, and silent for ever."""
        symbols = {symbol_of(product).lower(): product for product in self.market.listings}
        for name in names[: _MAX_STREAMS - len(session.streams)]:
            symbol, _, stream = name.partition("@")
            session.streams[name] = symbols.get(symbol, "") if stream == "trade" else ""
        session.products = set(session.streams.values()) - {""}


PROTOCOL = Binance


def _is_combined(session: Session) -> bool:
    return session.path == "/stream"


def _scale(session: Session) -> int:
    """Return the nanoseconds of a time unit: ms, or us when the client asked for them."""
    return 1000 if session.query.get("timeUnit", "").upper() == "MICROSECOND" else 1_000_000


def _dump(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
