"""OKX spot: websocket channel ``trades-all``, and REST by trade id.

Sources: www.okx.com/docs-v5 (websocket business channels, errors; REST history-trades,
history-candles, time), frames of ``trades`` recorded in 2022 and 2025. The words of a refusal are
those that clients quote.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.okx_rest import OkxRest, describe_trade, refusal
from exchange_simulator.protocols.protocol import (
    Protocol,
    Replies,
    RestAnswer,
    RestHandler,
    Session,
)

_CHANNEL = "trades-all"
_CONNECTION = "a4d3ae55"


class Okx(Protocol):
    """OKX, websocket at ``/ws/v5/business``."""

    name = "okx"
    default_products = ("BTC/USDT", "ETH/USDT", "LTC/USDT")
    websocket_paths = ("/ws/v5/business",)
    subscribe_within_seconds = 30.0

    @property
    def rest_routes(self) -> Mapping[str, RestHandler]:
        """Trades, candles and time below ``/api/v5``."""
        return OkxRest(self.market, self.clock).routes

    def opened(self, session: Session) -> Replies:
        """Say nothing until asked."""
        return Replies([])

    def received(self, session: Session, text: str) -> Replies:
        """Answer subscriptions, one by one, and pings."""
        if text == "ping":
            return Replies(["pong"])
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
            arguments = [dict(each) for each in request["args"]]
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
            return Replies([_error("60012", f"Invalid request: {text[:100]}")])
        operation = request.get("op")
        if operation not in ("subscribe", "unsubscribe"):
            return Replies([_error("60012", f"Invalid request: {text[:100]}")])
        frames = [self._change(session, operation, each) for each in arguments]
        subscribed = operation == "subscribe" and any('"event":"subscribe"' in f for f in frames)
        return Replies(frames, subscribed)

    def trade_frames(self, session: Session, product: str, rows: Sequence[Row]) -> list[str]:
        """Return one push a trade."""
        spec = self.market.listings[product].product
        name = product.replace("/", "-")
        head = f'{{"arg":{{"channel":"{_CHANNEL}","instId":"{name}"}},"data":['
        return [f"{head}{describe_trade(spec, row)}]}}" for row in rows]

    def malformed(self, frame: str) -> str:
        """Make the price a word."""
        head, _, rest = frame.partition('"px":"')
        return f'{head}"px":"n/a{rest[rest.index(chr(34)) :]}'

    def unknown_channel(self) -> str:
        """Return an event that does not exist."""
        return '{"event":"weather","arg":{"channel":"weather"},"rain":true}'

    def heartbeat(self, session: Session) -> list[str]:
        """Return none: clients ask for theirs."""
        return []

    def reconnect_asked(self) -> list[str]:
        """Announce the end of the connection."""
        text = "The connection will soon be closed for a service upgrade. Please reconnect."
        notice = {"event": "notice", "code": "64008", "msg": text, "connId": _CONNECTION}
        return [json.dumps(notice, separators=(",", ":"))]

    def too_many_requests(self) -> RestAnswer:
        """OKX's rate limit."""
        return refusal("50011", "Rate limit reached. Please refer to API docs.", 429)

    def unavailable(self) -> RestAnswer:
        """OKX, down."""
        return refusal("50001", "Service temporarily unavailable. Try again later", 503)

    def _change(self, session: Session, operation: str, argument: dict[str, Any]) -> str:
        channel, name = str(argument.get("channel")), str(argument.get("instId"))
        product = name.replace("-", "/")
        if channel != _CHANNEL or product not in self.market.listings or "/" in name:
            return _error(
                "60018",
                f"Wrong URL or channel:{channel},instId:{name} doesn't exist. Please use the "
                "correct URL, channel and parameters referring to API document.",
            )
        if operation == "subscribe":
            session.products.add(product)
        else:
            session.products.discard(product)
        ack = {"event": operation, "arg": {"channel": channel, "instId": name}}
        return json.dumps(ack | {"connId": _CONNECTION}, separators=(",", ":"))


PROTOCOL = Okx


def _error(code: str, message: str) -> str:
    body = {"event": "error", "msg": message, "code": code, "connId": _CONNECTION}
    return json.dumps(body, separators=(",", ":"))
