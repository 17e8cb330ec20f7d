"""OKX spot: channel ``trades-all``, REST ``history-trades`` by trade id, three months of it.

Trade ids count up by one within an instrument: 68 of 68 steps in a recording of the sibling
channel ``trades``, which sums up the fills of one taker order and price (its id is the last
one's). ``trades-all`` pushes each trade; no recording of it exists, its fields are documented.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import (
    DECODE_ERRORS,
    Alive,
    ExchangeAdapter,
    ExchangeError,
    ExchangeUnavailableError,
    Fetch,
    FrameData,
    FrameEvent,
    HistoryReach,
    MalformedResponseError,
    OfficialCandle,
    Page,
    PageState,
    Position,
    RateLimitedError,
    ReconnectAsked,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
    reason_of,
)
from ohlc_exchanges.decoding import (
    by_sequential_id,
    decode_page,
    id_of,
    read_rows,
    time_us,
    trade_of,
    trades_of,
)
from ohlc_exchanges.newest_first import DescendingHistory, IdPage
from ohlc_exchanges.okx.candles import official_candles
from ohlc_exchanges.page_states import below_id_state
from ohlc_exchanges.status import check_answer, check_status

_CHANNEL = "trades-all"
_PAGE_LIMIT = 100
_MS = 1_000
_DAY_US = 86_400_000_000
_NAMED = re.compile(r"instId:([A-Za-z0-9-]+)")

# Codes of the websocket and of REST (OKX's guide, Error Code).
_UNKNOWN_CHANNEL = "60018"
_UNKNOWN_INSTRUMENT = "51001"
_RATE_LIMITS = frozenset({"50011", "50061"})
_PASSING = frozenset({"50001", "50004", "50005", "50013", "50026"})


class _Trade(msgspec.Struct):
    tradeId: str  # noqa: N815 - OKX's name
    px: str
    sz: str
    side: Literal["buy", "sell"]
    ts: str


class _Argument(msgspec.Struct, frozen=True):
    channel: str = ""
    instId: str = ""  # noqa: N815 - OKX's name


class _Frame(msgspec.Struct):
    event: str = ""
    arg: _Argument = _Argument()
    data: msgspec.Raw = msgspec.Raw(b"[]")
    code: str = ""
    msg: str = ""


class _Body(msgspec.Struct):
    code: str = "0"
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _Id(msgspec.Struct):
    tradeId: str  # noqa: N815 - OKX's name


class _Moment(msgspec.Struct):
    ts: str


_frame = msgspec.json.Decoder(_Frame)
_body = msgspec.json.Decoder(_Body)
_rows = msgspec.json.Decoder(list[_Trade])
_row = msgspec.json.Decoder(_Trade)
_ids = msgspec.json.Decoder(list[_Id])
_moments = msgspec.json.Decoder(list[_Moment])
_encode = msgspec.json.Encoder().encode


def native_name(product_id: str) -> str:
    """Return OKX's instrument: ``BTC/USDT`` -> ``BTC-USDT``."""
    return product_id.replace("/", "-").upper()


class Okx(ExchangeAdapter):
    """OKX spot (www.okx.com/docs-v5)."""

    name = "okx"
    ws_url = "wss://ws.okx.com:8443/ws/v5/business"
    rest_url = "https://www.okx.com"
    trade_ids = "dense"
    history_reach = HistoryReach(90 * _DAY_US, "the last three months of trades")
    cursor_params = ("after",)
    snapshot_on_subscribe = False
    provides_server_time = False
    rejects_unknown_products = True
    # Documented: 20 calls in 2 seconds.
    rest_interval_seconds = 0.12
    # "ping" is answered with "pong", and goes out each second.
    silence_seconds = 10.0
    # Documented: 3 connections a second and address; this is far below.
    connection_attempts = (60, 60.0)

    def symbol(self, product_id: str) -> str:
        """Return ``BTC-USDT``."""
        return native_name(product_id)

    def subscriptions(self, symbols: Sequence[str]) -> list[str]:
        """Subscribe one by one, so that a refusal concerns one product."""
        arguments = [{"channel": _CHANNEL, "instId": symbol} for symbol in symbols]
        return [_encode({"op": "subscribe", "args": [each]}).decode() for each in arguments]

    def ping_frame(self) -> str:
        """Return OKX's own ping, which is no JSON."""
        return "ping"

    def events(self, data: FrameData) -> list[FrameEvent]:
        """Return what a frame says."""
        if data in ("pong", b"pong"):
            return [Alive()]
        frame = _frame.decode(data)
        product = self._names.configured(frame.arg.instId)
        if not frame.event and frame.arg.channel == _CHANNEL:
            return _trade_events(product, frame.data)
        if frame.event == "subscribe":
            return [Subscribed(product)]
        if frame.event == "error":
            return [self._rejection(frame)]
        if frame.event == "notice":
            return [ReconnectAsked(f"{frame.code} {frame.msg}")]
        if frame.event == "channel-conn-count":
            return [Alive()]
        raise ValueError(f"a frame of an undocumented event {frame.event!r:.50}")

    def _rejection(self, frame: _Frame) -> SubscriptionRejected:
        named = _NAMED.search(frame.msg)
        product = self._names.configured(named[1]) if named is not None else ""
        return SubscriptionRejected(
            product if product in self._names.all else "",
            f"{frame.code} {frame.msg}",
            frame.code == _UNKNOWN_CHANNEL and product in self._names.all,
        )

    def check(self, response: Response) -> None:
        """Raise what a status or OKX's code stands for, which comes with HTTP 200 or 4xx."""
        try:
            body = _body.decode(response.body)
        except DECODE_ERRORS as failure:
            check_answer(response)
            text = f"OKX's answer is not as documented: {reason_of(failure)}"
            raise MalformedResponseError(text) from None
        text = f"{body.code} {body.msg}"
        if body.code == _UNKNOWN_INSTRUMENT:
            raise UnknownProductError(text)
        if body.code in _RATE_LIMITS:
            raise RateLimitedError(text)
        if body.code in _PASSING:
            raise ExchangeUnavailableError(text)
        check_status(response)
        if body.code != "0":
            raise ExchangeError(text)

    def product_check(self, product_id: str) -> Request:
        """Ask for one trade."""
        return _trades(native_name(product_id), {"limit": "1"})

    def exchange_time_us(self, fetch: Fetch) -> int | None:
        """Ask ``public/time``."""
        try:
            body = _body.decode(fetch(Request("/api/v5/public/time", {})).body)
            return time_us(_moments.decode(body.data)[0].ts, _MS)
        except (*DECODE_ERRORS, ExchangeError):
            return None

    def page_state(self, request: Request, body: bytes) -> PageState:
        """Return the state of a page of ``after``."""
        rows = _ids.decode(_body.decode(body).data)
        return below_id_state(request.params["after"], id_of(rows[0].tradeId) if rows else None)

    def official_candles(
        self, product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
    ) -> Iterator[OfficialCandle]:
        """Yield REST ``history-candles``."""
        return official_candles(native_name(product_id), interval, from_ms, to_ms, fetch)

    def pages_from_time(self, product_id: str, from_us: int, fetch: Fetch) -> Iterator[Page]:
        """Search the id at the time, then page upwards."""
        return _history(product_id, fetch).pages_from_time(from_us)

    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        """Page upwards by id."""
        return _history(product_id, fetch).pages_after(int(position.trade_id))


def _history(product_id: str, fetch: Fetch) -> DescendingHistory:
    def before(cursor: int | None, limit: int) -> IdPage:
        params = {"limit": str(limit)} | ({} if cursor is None else {"after": str(cursor)})
        body = fetch(_trades(native_name(product_id), params)).body
        return decode_page(_read_page, body, "OKX's history")

    return DescendingHistory(before, _PAGE_LIMIT)


def _trades(symbol: str, params: dict[str, str]) -> Request:
    return Request("/api/v5/market/history-trades", {"instId": symbol} | params)


def _read_page(body: bytes) -> IdPage:
    rows, broken = read_rows(_body.decode(body).data, _rows, _row)
    trades, rejected = trades_of(rows, _to_trade)
    ids = sorted(id_of(row.tradeId) for row in rows)
    return IdPage(sorted(trades, key=by_sequential_id), ids, [*broken, *rejected])


def _trade_events(product: str, data: msgspec.Raw) -> list[FrameEvent]:
    rows, broken = read_rows(data, _rows, _row)
    trades, rejected = trades_of(rows, _to_trade)
    events: list[FrameEvent] = [*broken, *rejected]
    if trades:
        ascending = tuple(sorted(trades, key=by_sequential_id))
        events.append(TradesSeen(product, ascending, is_snapshot=False))
    return events or [Alive()]


def _to_trade(row: _Trade) -> Trade:
    return trade_of(row.tradeId, row.px, row.sz, row.side, time_us(row.ts, _MS))
