"""Kraken spot: websocket v2 channel ``trade`` and REST ``/0/public/Trades``.

Trade ids count up by one within a product, over websocket and REST alike. Kraken documents them
as "a sequence number, unique per book" and promises no density, so a jump is checked, not
believed. A trade's REST stamp is up to about a microsecond later than its websocket stamp.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    DECODE_ERRORS,
    Alive,
    ExchangeAdapter,
    Fetch,
    FrameData,
    FrameEvent,
    MalformedResponseError,
    OfficialCandle,
    Page,
    PageState,
    Position,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    reason_of,
)
from ohlc_exchanges.decoding import (
    by_sequential_id,
    read_rows,
    rfc3339_us,
    trade_of,
    trades_of,
)
from ohlc_exchanges.kraken.candles import official_candles
from ohlc_exchanges.kraken.errors import error_of
from ohlc_exchanges.kraken.history import pages_since
from ohlc_exchanges.kraken.symbols import plain_name, rest_params
from ohlc_exchanges.page_states import ascending_state
from ohlc_exchanges.status import check_json, check_status

_UNKNOWN_MARKS = ("not supported", "not found")

# A trade's REST time can lie a little after its websocket time, so look a little earlier.
_SINCE_MARGIN_US = 1_000


class _WsTrade(msgspec.Struct):
    symbol: str
    side: Literal["buy", "sell"]
    price: Any  # JSON numbers, decoded exactly
    qty: Any
    trade_id: int
    timestamp: str


class _Result(msgspec.Struct):
    symbol: str = ""
    channel: str = ""


class _Frame(msgspec.Struct):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    method: str = ""
    success: bool | None = None
    result: _Result | None = None
    error: str = ""
    symbol: str = ""
    time_out: str = ""


class _Status(msgspec.Struct):
    system: str = ""


class _Errors(msgspec.Struct):
    error: list[str]


_frame = msgspec.json.Decoder(_Frame)
_ws_trades = msgspec.json.Decoder(list[_WsTrade], float_hook=Decimal)
_ws_trade = msgspec.json.Decoder(_WsTrade, float_hook=Decimal)
_statuses = msgspec.json.Decoder(list[_Status])
_errors = msgspec.json.Decoder(_Errors)
_encode = msgspec.json.Encoder().encode


class Kraken(ExchangeAdapter):
    """Kraken spot (docs.kraken.com, websocket v2)."""

    name = "kraken"
    ws_url = "wss://ws.kraken.com/v2"
    rest_url = "https://api.kraken.com"
    trade_ids = "dense"
    cursor_params = ("since",)
    snapshot_on_subscribe = True
    provides_server_time = True
    rejects_unknown_products = True
    # Kraken's support pages: one call a second and pair stays within the public limit.
    rest_interval_seconds = 1.0
    # Heartbeats come every second where there is nothing else; Kraken's guide says 5 s.
    silence_seconds = 5.0
    # Kraken bans an address after about 150 attempts in 10 minutes.
    connection_attempts = (100, 600.0)

    def symbol(self, product_id: str) -> str:
        """Return the name without separators and old asset names: ``BTCUSD``."""
        return plain_name(product_id)

    def subscribe_frames(self, product_ids: Sequence[str]) -> list[str]:
        """Subscribe by the configured names: Kraken's websocket uses the same."""
        return self.subscriptions(product_ids)

    def subscriptions(self, symbols: Sequence[str]) -> list[str]:
        """Subscribe to all products at once, with the snapshot asked for explicitly."""
        params = {"channel": "trade", "symbol": list(symbols), "snapshot": True}
        return [_text({"method": "subscribe", "params": params, "req_id": 1})]

    def ping_frame(self) -> str:
        """Return Kraken's own ping, answered with the exchange's time."""
        return _text({"method": "ping", "req_id": 2})

    def events(self, data: FrameData) -> list[FrameEvent]:
        """Return what a frame says."""
        frame = _frame.decode(data)
        if frame.channel == "trade":
            return _trade_events(frame)
        if frame.channel == "heartbeat":
            return [Alive()]
        if frame.channel == "status":
            return [_status_event(frame)]
        if frame.method == "pong":
            return [Alive(rfc3339_us(frame.time_out) if frame.time_out else None)]
        if frame.method == "subscribe":
            return _ack_events(frame)
        if frame.error:
            return [SubscriptionRejected(frame.symbol, frame.error)]
        raise ValueError("a frame of an undocumented kind")

    def check(self, response: Response) -> None:
        """Raise what a status or Kraken's ``error`` list (with HTTP 200) stands for."""
        check_status(response)
        try:
            entries = _errors.decode(response.body).error
        except DECODE_ERRORS as failure:
            check_json(response)
            text = f"Kraken's answer is not as documented: {reason_of(failure)}"
            raise MalformedResponseError(text) from None
        error = error_of(entries)
        if error is not None:
            raise error

    def product_check(self, product_id: str) -> Request:
        """Ask for one trade."""
        return Request("/0/public/Trades", rest_params(product_id) | {"count": "1"})

    def rate_limit_key(self, request: Request) -> str:
        """Kraken limits calls by address and pair."""
        return request.params.get("pair", "")

    def page_state(self, request: Request, body: bytes) -> PageState:
        """Return the state of a page of ``since``."""
        return ascending_state(request.params, body, limit="count")

    def official_candles(
        self, product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
    ) -> Iterator[OfficialCandle]:
        """Yield REST ``OHLC``."""
        return official_candles(product_id, interval, from_ms, fetch)

    def pages_from_time(self, product_id: str, from_us: int, fetch: Fetch) -> Iterator[Page]:
        """Follow ``since`` and ``last`` from the time, with a small margin."""
        since_ns = max(0, (from_us - _SINCE_MARGIN_US) * 1_000)
        return pages_since(rest_params(product_id), since_ns, None, fetch)

    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        """Follow ``since`` and ``last`` from the position, checked by id."""
        since_ns = max(0, (position.timestamp_us - _SINCE_MARGIN_US) * 1_000)
        return pages_since(rest_params(product_id), since_ns, int(position.trade_id), fetch)


def _text(message: dict[str, Any]) -> str:
    return _encode(message).decode()


def _to_trade(row: _WsTrade) -> Trade:
    return trade_of(row.trade_id, row.price, row.qty, row.side, rfc3339_us(row.timestamp))


def _trade_events(frame: _Frame) -> list[FrameEvent]:
    rows, broken = read_rows(frame.data, _ws_trades, _ws_trade)
    events: list[FrameEvent] = list(broken)
    by_symbol: dict[str, list[_WsTrade]] = {}
    for row in rows:
        by_symbol.setdefault(row.symbol, []).append(row)
    for symbol, its_rows in by_symbol.items():
        trades, rejected = trades_of(its_rows, _to_trade)
        events += rejected
        if trades:
            trades.sort(key=by_sequential_id)
            events.append(TradesSeen(symbol, tuple(trades), frame.type == "snapshot"))
    return events or [Alive()]


def _status_event(frame: _Frame) -> Alive:
    statuses = _statuses.decode(frame.data)
    system = statuses[0].system if statuses else ""
    if not system:
        return Alive()
    return Alive(maintenance=system == "maintenance", words=system)


def _ack_events(frame: _Frame) -> list[FrameEvent]:
    symbol = frame.symbol or (frame.result.symbol if frame.result is not None else "")
    clock = [Alive(rfc3339_us(frame.time_out))] if frame.time_out else []
    if frame.success or frame.error.startswith("Already subscribed"):
        return [Subscribed(symbol), *clock]
    unknown = bool(symbol) and any(mark in frame.error for mark in _UNKNOWN_MARKS)
    return [SubscriptionRejected(symbol, frame.error, unknown), *clock]
