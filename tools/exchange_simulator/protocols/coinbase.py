"""Coinbase Exchange: websocket ``matches`` and ``heartbeat``, and REST by trade id.

Sources: docs.cdp.coinbase.com (Exchange websocket channels and errors; REST products, trades,
candles, pagination, rate limits) and frames recorded in 2021. ``side`` is the maker's.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exchange_simulator.formatting import trimmed
from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.coinbase_rest import CoinbaseRest, time_text
from exchange_simulator.protocols.protocol import (
    Protocol,
    Replies,
    RestAnswer,
    RestHandler,
    Session,
)
from exchange_simulator.protocols.rest_responses import json_answer

_CHANNELS = ("matches", "heartbeat")


class Coinbase(Protocol):
    """Coinbase Exchange, websocket at the root path."""

    name = "coinbase"
    websocket_paths = ("/",)
    heartbeat_only_when_quiet = False
    subscribe_within_seconds = 5.0

    @property
    def rest_routes(self) -> Mapping[str, RestHandler]:
        """Products, trades, candles and time."""
        return CoinbaseRest(self.market, self.clock).routes

    def opened(self, session: Session) -> Replies:
        """Say nothing until asked."""
        return Replies([])

    def received(self, session: Session, text: str) -> Replies:
        """Answer subscribe and unsubscribe; one unknown product refuses the whole request."""
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            return Replies([_error("Malformed JSON", "")])
        kind = request.get("type")
        if kind not in ("subscribe", "unsubscribe"):
            return Replies([_error("Failed to subscribe", f"{kind} is not a valid type")])
        try:
            wanted = _wanted(request)
        except (TypeError, ValueError):
            return Replies([_error("Failed to subscribe", "channels and product_ids are lists")])
        for channel, names in wanted.items():
            if channel not in _CHANNELS:
                reason = f"{channel} is not a valid channel"
                return Replies([_error("Failed to subscribe", reason)])
            for name in names:
                if name.replace("-", "/") not in self.market.listings or "/" in name:
                    reason = f"{name} is not a valid product"
                    return Replies([_error("Failed to subscribe", reason)])
        return self._change(session, wanted, is_subscribe=kind == "subscribe")

    def trade_frames(self, session: Session, product: str, rows: Sequence[Row]) -> list[str]:
        """Return one match a trade."""
        return [self._match(product, row, "match") for row in rows]

    def malformed(self, frame: str) -> str:
        """Make the price a word."""
        return json.dumps({**json.loads(frame), "price": "n/a"}, separators=(",", ":"))

    def unknown_channel(self) -> str:
        """Return a message of a type that does not exist."""
        return '{"type":"weather","product_id":"BTC-USD","rain":true}'

    def heartbeat(self, session: Session) -> list[str]:
        """Return one heartbeat a second for each product of the heartbeat channel."""
        frames = []
        for name in _names(session, "heartbeat"):
            newest = self.market.log(name.replace("-", "/")).newest(1)
            last_id = newest[0].trade_id if newest else 0
            message = {
                "type": "heartbeat",
                "last_trade_id": last_id,
                "product_id": name,
                "sequence": _sequence(last_id) + 1,
                "time": time_text(self.clock.now_ns()),
            }
            frames.append(json.dumps(message, separators=(",", ":")))
        return frames

    def too_many_requests(self) -> RestAnswer:
        """Coinbase's public rate limit."""
        return json_answer({"message": "Public rate limit exceeded"}, 429)

    def unavailable(self) -> RestAnswer:
        """Coinbase, down."""
        return json_answer({"message": "Service unavailable"}, 503)

    def _change(
        self, session: Session, wanted: dict[str, list[str]], *, is_subscribe: bool
    ) -> Replies:
        before = set(session.products)
        for channel, names in wanted.items():
            have = dict.fromkeys(_names(session, channel))
            for name in names:
                if is_subscribe:
                    have[name] = None
                else:
                    have.pop(name, None)
            session.streams[channel] = ",".join(have)
        session.products = {name.replace("-", "/") for name in _names(session, "matches")}
        channels = [
            {"name": channel, "product_ids": names}
            for channel in _CHANNELS
            if (names := _names(session, channel))
        ]
        ack = json.dumps({"type": "subscriptions", "channels": channels}, separators=(",", ":"))
        last = [
            self._match(product, row, "last_match")
            for product in sorted(session.products - before)
            for row in self.market.log(product).newest(1)
        ]
        return Replies([ack, *last], subscribed=bool(session.products - before))

    def _match(self, product: str, row: Row, kind: str) -> str:
        spec = self.market.listings[product].product
        order = f"{row.trade_id:012x}"
        return (
            f'{{"type":"{kind}","trade_id":{row.trade_id},'
            f'"maker_order_id":"6d1a39c5-5b1f-4c2e-9a41-{order}",'
            f'"taker_order_id":"b4f0e2a8-0c77-4d19-8e63-{order}",'
            f'"side":"{"buy" if row.is_sell else "sell"}",'
            f'"size":"{trimmed(row.quantity, spec.quantity_decimals)}",'
            f'"price":"{trimmed(row.price, spec.price_decimals)}",'
            f'"product_id":"{product.replace("/", "-")}","sequence":{_sequence(row.trade_id)},'
            f'"time":"{time_text(row.time_ns)}"}}'
        )


PROTOCOL = Coinbase


def _wanted(request: dict[str, Any]) -> dict[str, list[str]]:
    """Return the products a request names, by channel: its own list or the common one."""
    common = request.get("product_ids", [])
    wanted: dict[str, list[str]] = {}
    for channel in request.get("channels", []):
        if isinstance(channel, str):
            wanted[channel] = [str(name) for name in common]
        else:
            wanted[str(channel["name"])] = [
                str(name) for name in channel.get("product_ids", common)
            ]
    if not wanted or not all(wanted.values()):
        raise ValueError("no channel or no product")
    return wanted


def _names(session: Session, channel: str) -> list[str]:
    return [name for name in session.streams.get(channel, "").split(",") if name]


def _sequence(trade_id: int) -> int:
    # All messages of a product count, so matches' sequence numbers are far apart.
    return trade_id * 300


def _error(message: str, reason: str) -> str:
    return json.dumps({"type": "error", "message": message, "reason": reason})
