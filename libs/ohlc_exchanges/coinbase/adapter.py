"""Coinbase Exchange: websocket channels ``matches`` and ``heartbeat``, REST trades by id.

Trade ids count up by one within a product. ``side`` is the maker's, so the taker did the
opposite. Coinbase warns that messages can be dropped from ``matches`` and has each heartbeat carry
the newest trade's id (0 in recordings of 2019 and 2020, which says nothing).
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Side, Trade
from ohlc_exchanges.base import (
    DECODE_ERRORS,
    Alive,
    ExchangeAdapter,
    ExchangeError,
    Fetch,
    FrameData,
    FrameEvent,
    Malformed,
    NewestReported,
    OfficialCandle,
    Page,
    PageState,
    Position,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.coinbase.candles import official_candles
from ohlc_exchanges.decoding import (
    decimal_seconds_us,
    decode_page,
    id_of,
    read_rows,
    rfc3339_us,
    trade_of,
    trades_of,
)
from ohlc_exchanges.newest_first import DescendingHistory, IdPage
from ohlc_exchanges.page_states import below_id_state
from ohlc_exchanges.status import check_answer, is_html, words_of

_PAGE_LIMIT = 1_000
_NAMES = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")


class _Row(msgspec.Struct):
    trade_id: int
    side: Literal["buy", "sell"]
    size: str
    price: str
    time: str


class _Id(msgspec.Struct):
    trade_id: int


class _Channel(msgspec.Struct):
    name: str
    product_ids: list[str] = []


class _Frame(msgspec.Struct):
    type: str
    product_id: str = ""
    time: str = ""
    last_trade_id: int = 0
    channels: list[_Channel] = []
    message: str = ""
    reason: str = ""


class _Time(msgspec.Struct):
    epoch: Any


_frame = msgspec.json.Decoder(_Frame)
_match = msgspec.json.Decoder(_Row)
_rows = msgspec.json.Decoder(list[_Row])
_row = msgspec.json.Decoder(_Row)
_ids = msgspec.json.Decoder(list[_Id])
_time = msgspec.json.Decoder(_Time, float_hook=Decimal)
_encode = msgspec.json.Encoder().encode


def native_name(product_id: str) -> str:
    """Return Coinbase's name: ``BTC/USD`` -> ``BTC-USD``."""
    return product_id.replace("/", "-").upper()


class Coinbase(ExchangeAdapter):
    """Coinbase Exchange (docs.cdp.coinbase.com, Exchange websocket feed)."""

    name = "coinbase"
    ws_url = "wss://ws-feed.exchange.coinbase.com"
    rest_url = "https://api.exchange.coinbase.com"
    trade_ids = "dense"
    cursor_params = ("after",)
    # `last_match` repeats the newest trade: it shows whether any were missed.
    snapshot_on_subscribe = True
    provides_server_time = True
    rejects_unknown_products = True
    # Public REST: 10 calls a second and address.
    rest_interval_seconds = 0.15
    # Heartbeats come every second and product.
    silence_seconds = 5.0
    # Documented: 8 connections a second and address; this is far below.
    connection_attempts = (60, 60.0)

    def symbol(self, product_id: str) -> str:
        """Return ``BTC-USD``."""
        return native_name(product_id)

    def subscriptions(self, symbols: Sequence[str]) -> list[str]:
        """Subscribe to matches and heartbeats; due within 5 s of connecting."""
        message = {
            "type": "subscribe",
            "product_ids": list(symbols),
            "channels": ["matches", "heartbeat"],
        }
        return [_encode(message).decode()]

    def ping_frame(self) -> None:
        """Return None: heartbeats are subscribed to."""
        return

    def events(self, data: FrameData) -> list[FrameEvent]:
        """Return what a frame says."""
        head = _frame.decode(data)
        if head.type in ("match", "last_match"):
            trade = _to_trade(_match.decode(data))
            product = self._names.configured(head.product_id)
            return [TradesSeen(product, (trade,), head.type == "last_match")]
        if head.type == "heartbeat":
            product = self._names.configured(head.product_id)
            reported = (
                [NewestReported(product, id_of(head.last_trade_id))] if head.last_trade_id else []
            )
            return [Alive(rfc3339_us(head.time)), *reported]
        if head.type == "subscriptions":
            matches = [channel for channel in head.channels if channel.name == "matches"]
            return [
                Subscribed(self._names.configured(product))
                for channel in matches
                for product in channel.product_ids
            ] or [Alive()]
        if head.type == "error":
            words = f"{head.message}: {head.reason}" if head.reason else head.message
            return [self._rejection(words)]
        raise ValueError(f"a frame of an undocumented type {head.type!r}")

    def _rejection(self, text: str) -> SubscriptionRejected:
        # One wrong product makes Coinbase refuse the whole request; its words name the product.
        words = set(_NAMES.findall(text))
        named = next((p for p in self._names.all if native_name(p) in words), "")
        is_unknown = bool(named) and ("not a valid product" in text or "delisted" in text)
        return SubscriptionRejected(named if is_unknown else "", text, is_unknown)

    def check(self, response: Response) -> None:
        """Raise what a status stands for; 404 is an unknown product."""
        if response.status == 404 and not is_html(response):
            raise UnknownProductError(f"HTTP 404 {words_of(response)}")
        if response.status == 400 and b"product" in response.body.lower():
            raise UnknownProductError(f"HTTP 400 {words_of(response)}")
        check_answer(response)

    def product_check(self, product_id: str) -> Request:
        """Ask for one trade."""
        return Request(f"/products/{native_name(product_id)}/trades", {"limit": "1"})

    def exchange_time_us(self, fetch: Fetch) -> int | None:
        """Ask ``/time``."""
        try:
            return decimal_seconds_us(_time.decode(fetch(Request("/time", {})).body).epoch)
        except (*DECODE_ERRORS, ExchangeError):
            return None

    def page_state(self, request: Request, body: bytes) -> PageState:
        """Return the state of a page of ``after``."""
        rows = _ids.decode(body)
        return below_id_state(request.params["after"], rows[0].trade_id if rows else None)

    def official_candles(
        self, product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
    ) -> Iterator[OfficialCandle]:
        """Yield REST candles."""
        return official_candles(native_name(product_id), interval, from_ms, to_ms, fetch)

    def pages_from_time(self, product_id: str, from_us: int, fetch: Fetch) -> Iterator[Page]:
        """Search the id at the time, then page upwards."""
        return self._history(product_id, fetch).pages_from_time(from_us)

    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        """Page upwards by id."""
        return self._history(product_id, fetch).pages_after(int(position.trade_id))

    def _history(self, product_id: str, fetch: Fetch) -> DescendingHistory:
        path = f"/products/{native_name(product_id)}/trades"

        def before(cursor: int | None, limit: int) -> IdPage:
            params = {"limit": str(limit)}
            if cursor is not None:
                params["after"] = str(cursor)  # Coinbase's word for older than
            body = fetch(Request(path, params)).body
            rows, broken = decode_page(_read_rows, body, "Coinbase's history")
            rows.sort(key=lambda row: row.trade_id)
            trades, rejected = trades_of(rows, _to_trade)
            return IdPage(trades, [row.trade_id for row in rows], [*broken, *rejected])

        return DescendingHistory(before, _PAGE_LIMIT)


def _read_rows(body: bytes) -> tuple[list[_Row], list[Malformed]]:
    return read_rows(body, _rows, _row)


def _to_trade(row: _Row) -> Trade:
    taker: Side = "sell" if row.side == "buy" else "buy"
    return trade_of(row.trade_id, row.price, row.size, taker, rfc3339_us(row.time))
