"""Bitstamp: websocket ``live_trades`` channels, and REST by time.

Sources: www.bitstamp.net/websocket/v2 and /api, frames recorded in 2022, and measurements of
2026 (an unknown pair's channel is acknowledged and silent; a wrong case is an error; client
frames of 512 bytes and more end the connection). Ids are shared by all pairs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exchange_simulator.formatting import NS, fixed, trimmed
from exchange_simulator.market.trade_log import Row
from exchange_simulator.protocols.bitstamp_rest import BitstampRest, pair_of
from exchange_simulator.protocols.protocol import (
    Protocol,
    Replies,
    RestAnswer,
    RestHandler,
    Session,
)
from exchange_simulator.protocols.rest_responses import json_answer

_PREFIX = "live_trades_"


class Bitstamp(Protocol):
    """Bitstamp, websocket at the root path."""

    name = "bitstamp"
    shares_ids = True
    websocket_paths = ("/",)
    ping_seconds = 54.0
    trades_path = "transactions"
    max_client_bytes = 512

    @property
    def rest_routes(self) -> Mapping[str, RestHandler]:
        """Transactions, candles and pairs below ``/api/v2``."""
        return BitstampRest(self.market, self.clock).routes

    def opened(self, session: Session) -> Replies:
        """Say nothing until asked."""
        return Replies([])

    def received(self, session: Session, text: str) -> Replies:
        """Answer subscriptions and heartbeats."""
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            return Replies([_error("Bad JSON.")])
        event = request.get("event")
        if event == "bts:heartbeat":
            return Replies([_frame("bts:heartbeat", "", {"status": "success"})])
        data = request.get("data")
        channel = data.get("channel") if isinstance(data, dict) else None
        if event not in ("bts:subscribe", "bts:unsubscribe"):
            return Replies([_error("Invalid event provided.")])
        if not isinstance(channel, str) or channel != channel.lower() or "_" not in channel:
            return Replies([_error("Invalid channel provided.")])
        product = self._product(channel)
        if event == "bts:unsubscribe":
            session.products.discard(product)
            return Replies([_frame("bts:unsubscription_succeeded", channel, {})])
        if product:
            session.products.add(product)
        return Replies(
            [_frame("bts:subscription_succeeded", channel, {})], subscribed=bool(product)
        )

    def trade_frames(self, session: Session, product: str, rows: Sequence[Row]) -> list[str]:
        """Return one event a trade; times are whole milliseconds, as recorded."""
        spec = self.market.listings[product].product
        channel = _PREFIX + pair_of(product)
        frames = []
        for row in rows:
            amount = fixed(row.quantity, spec.quantity_decimals)
            price = fixed(row.price, spec.price_decimals)
            frames.append(
                f'{{"data":{{"id":{row.trade_id},"timestamp":"{row.time_ns // NS}",'
                f'"amount":{trimmed(row.quantity, spec.quantity_decimals)},'
                f'"amount_str":"{amount}",'
                f'"price":{trimmed(row.price, spec.price_decimals)},"price_str":"{price}",'
                f'"type":{int(row.is_sell)},"microtimestamp":"{row.time_ns // 1_000_000}000",'
                f'"buy_order_id":{row.trade_id * 7},"sell_order_id":{row.trade_id * 7 + 3}}},'
                f'"channel":"{channel}","event":"trade"}}'
            )
        return frames

    def malformed(self, frame: str) -> str:
        """Make the price a word."""
        head, _, rest = frame.partition('"price_str":"')
        return f'{head}"price_str":"n/a{rest[rest.index(chr(34)) :]}'

    def unknown_channel(self) -> str:
        """Return an event that does not exist."""
        return '{"data":{"rain":true},"channel":"weather_btcusd","event":"weather"}'

    def heartbeat(self, session: Session) -> list[str]:
        """Return none: clients ask for theirs."""
        return []

    def reconnect_asked(self) -> list[str]:
        """Ask to connect again within a few seconds."""
        return [json.dumps({"event": "bts:request_reconnect", "channel": "", "data": ""})]

    def too_many_requests(self) -> RestAnswer:
        """Bitstamp's request limit."""
        words = {"status": "error", "reason": "Request limit exceeded.", "code": "API0009"}
        return json_answer(words, 429)

    def unavailable(self) -> RestAnswer:
        """Bitstamp, down."""
        return json_answer({"status": "error", "reason": "Service unavailable."}, 503)

    def _product(self, channel: str) -> str:
        pairs = {_PREFIX + pair_of(product): product for product in self.market.listings}
        return pairs.get(channel, "")


PROTOCOL = Bitstamp


def _frame(event: str, channel: str, data: dict[str, Any]) -> str:
    message = {"event": event, "channel": channel, "data": data}
    return json.dumps(message, separators=(",", ":"))


def _error(words: str) -> str:
    return _frame("bts:error", "", {"code": None, "message": words})
