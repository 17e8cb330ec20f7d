"""Binance spot: ``<symbol>@trade`` streams, REST ``historicalTrades`` by id.

Trade ids count up by one within a symbol. Times are milliseconds over both ways. An unknown
symbol's stream is acknowledged and silent, so products are checked over REST. A connection lives
24 hours at most.
"""

from collections.abc import Iterator, Sequence
from typing import Any

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
    MalformedResponseError,
    OfficialCandle,
    Page,
    PageState,
    Position,
    ReconnectAsked,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
)
from ohlc_exchanges.binance.candles import official_candles
from ohlc_exchanges.decoding import (
    by_sequential_id,
    decode_page,
    read_rows,
    time_us,
    trade_of,
    trades_of,
)
from ohlc_exchanges.page_states import ascending_state
from ohlc_exchanges.status import check_answer, words_of

_PAGE_LIMIT = 1_000
_US_PER_MS = 1_000
# As milliseconds this is the year 5138, as microseconds 1973.
_FIRST_MICROSECOND = 10**14
_INVALID_SYMBOL = -1121


class _Trade(msgspec.Struct):
    t: int
    p: str
    q: str
    T: int
    m: bool


class _Frame(msgspec.Struct):
    e: str = ""
    s: str = ""
    E: int = 0
    data: msgspec.Raw = msgspec.Raw(b"")
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    code: int = 0
    msg: str = ""
    error: Any = None


class _Row(msgspec.Struct):
    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool  # noqa: N815 - Binance's name


class _Aggregate(msgspec.Struct):
    f: int


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815 - Binance's name


_frame = msgspec.json.Decoder(_Frame)
_trade = msgspec.json.Decoder(_Trade)
_rows = msgspec.json.Decoder(list[_Row])
_row = msgspec.json.Decoder(_Row)
_aggregates = msgspec.json.Decoder(list[_Aggregate])
_error = msgspec.json.Decoder(_Error)
_server_time = msgspec.json.Decoder(_ServerTime)
_encode = msgspec.json.Encoder().encode


def native_name(product_id: str) -> str:
    """Return Binance's symbol: ``BTC/USDT`` -> ``BTCUSDT``."""
    return product_id.replace("/", "").replace("-", "").upper()


class Binance(ExchangeAdapter):
    """Binance spot (github.com/binance/binance-spot-api-docs)."""

    name = "binance"
    ws_url = "wss://stream.binance.com:9443/ws"
    rest_url = "https://api.binance.com"
    trade_ids = "dense"
    cursor_params = ("fromId", "startTime")
    snapshot_on_subscribe = False
    provides_server_time = False
    rejects_unknown_products = False
    # historicalTrades weighs 25 of 6000 a minute: 240 calls a minute, and some to spare.
    rest_interval_seconds = 0.3
    # Every ping is answered, and pings go out each second.
    silence_seconds = 10.0
    max_connection_age_seconds = 24 * 3600.0
    # Documented: 300 attempts in 5 minutes.
    connection_attempts = (200, 300.0)

    def symbol(self, product_id: str) -> str:
        """Return ``BTCUSDT``."""
        return native_name(product_id)

    def subscriptions(self, symbols: Sequence[str]) -> list[str]:
        """Subscribe to all at once: more than five messages a second end the connection."""
        streams = [f"{symbol.lower()}@trade" for symbol in symbols]
        return [_encode({"method": "SUBSCRIBE", "params": streams, "id": 1}).decode()]

    def ping_frame(self) -> None:
        """Return None: the websocket's own ping does."""
        return

    def events(self, data: FrameData) -> list[FrameEvent]:
        """Return what a frame says."""
        head = _frame.decode(data)
        if bytes(head.data):
            return self.events(head.data)  # a combined stream's wrapping
        if head.e == "trade":
            product = self._names.configured(head.s)
            trade = _live_trade(_trade.decode(data))
            return [Alive(_time_us(head.E)), TradesSeen(product, (trade,), False)]
        if head.e == "serverShutdown":
            return [ReconnectAsked("serverShutdown")]
        if head.code or head.error is not None:
            words = head.msg or str(head.error)
            return [SubscriptionRejected("", f"{words} (code {head.code})")]
        if head.id is not None and bytes(head.result):
            return [Subscribed(product) for product in self._names.all]
        raise ValueError(f"a frame of an undocumented event {head.e!r}")

    def check(self, response: Response) -> None:
        """Raise what a status or Binance's error code stands for."""
        if response.status == 400:
            try:
                code = _error.decode(response.body).code
            except DECODE_ERRORS:
                code = 0
            if code == _INVALID_SYMBOL:
                raise UnknownProductError(words_of(response))
        check_answer(response)

    def product_check(self, product_id: str) -> Request:
        """Ask for one trade."""
        return Request("/api/v3/trades", {"symbol": native_name(product_id), "limit": "1"})

    def exchange_time_us(self, fetch: Fetch) -> int | None:
        """Ask ``/api/v3/time``."""
        try:
            answer = fetch(Request("/api/v3/time", {}))
            return _time_us(_server_time.decode(answer.body).serverTime)
        except (*DECODE_ERRORS, ExchangeError):
            return None

    def page_state(self, request: Request, body: bytes) -> PageState:
        """Return the state of a page of ``fromId``, or of the first trade of a ``startTime``."""
        state = ascending_state(request.params, body, limit="limit")
        if "startTime" in request.params:
            return "final" if state == "full" else "volatile"
        return state

    def official_candles(
        self, product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
    ) -> Iterator[OfficialCandle]:
        """Yield REST ``klines``."""
        return official_candles(native_name(product_id), interval, from_ms, to_ms, fetch)

    def pages_from_time(self, product_id: str, from_us: int, fetch: Fetch) -> Iterator[Page]:
        """Find the first id at the time by an aggregate trade, then page by id."""
        symbol = native_name(product_id)
        start_ms = str(from_us // _US_PER_MS)
        params = {"symbol": symbol, "startTime": start_ms, "limit": "1"}
        body = fetch(Request("/api/v3/aggTrades", params)).body
        aggregates = decode_page(_aggregates.decode, body, "Binance's history")
        if not aggregates:
            yield Page((), more=False)
            return
        yield from _pages_after(symbol, aggregates[0].f - 1, fetch)

    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        """Page by id."""
        return _pages_after(native_name(product_id), int(position.trade_id), fetch)


def _pages_after(symbol: str, last_id: int, fetch: Fetch) -> Iterator[Page]:
    while True:
        params = {"symbol": symbol, "fromId": str(last_id + 1), "limit": str(_PAGE_LIMIT)}
        body = fetch(Request("/api/v3/historicalTrades", params)).body
        rows, broken = decode_page(_read_rows, body, "Binance's history")
        trades, rejected = trades_of(rows, _history_trade)
        new = sorted(
            (trade for trade in trades if int(trade.trade_id) > last_id), key=by_sequential_id
        )
        reached = max((row.id for row in rows), default=last_id)
        if rows and reached <= last_id:
            raise MalformedResponseError(
                f"Binance's history was asked for ids from {last_id + 1} and ended at {reached}"
            )
        if reached == last_id:
            yield Page((), more=False, rejected=(*broken, *rejected))
            return
        yield Page(tuple(new), more=True, rejected=(*broken, *rejected))
        last_id = reached


def _read_rows(body: bytes) -> tuple[list[_Row], list[Malformed]]:
    return read_rows(body, _rows, _row)


def _live_trade(row: _Trade) -> Trade:
    side = _side(row.m)
    return trade_of(row.t, row.p, row.q, side, _time_us(row.T))


def _history_trade(row: _Row) -> Trade:
    side = _side(row.isBuyerMaker)
    return trade_of(row.id, row.price, row.qty, side, _time_us(row.time))


def _time_us(value: int) -> int:
    # Milliseconds, or microseconds where the address asks for them (timeUnit=MICROSECOND).
    return time_us(value, 1 if value >= _FIRST_MICROSECOND else _US_PER_MS)


def _side(buyer_is_maker: bool) -> Side:
    return "sell" if buyer_is_maker else "buy"
