"""Bitstamp: ``live_trades`` channels, REST transactions of the last day.

Ids ascend but are shared by all pairs, so they order and de-duplicate and reveal no gap. History
goes back one day, in whole seconds. So after every connection the overlap with history is what
closes a gap, and an absence of more than a day cannot be closed at all.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from ohlc_core.domain.trade import Side, Trade
from ohlc_exchanges.base import (
    Alive,
    ExchangeAdapter,
    Fetch,
    FrameData,
    FrameEvent,
    HistoryReach,
    HistoryTooShortError,
    Malformed,
    Page,
    Position,
    ReconnectAsked,
    Request,
    Response,
    Subscribed,
    SubscriptionRejected,
    TradesSeen,
    UnknownProductError,
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
from ohlc_exchanges.status import check_answer, words_of

_CHANNEL = "live_trades_"
_S = 1_000_000

# The spans the exchange offers, the shortest first: a short absence costs a short answer.
_SPANS = ("hour", "day")


class _LiveTrade(msgspec.Struct):
    id: int
    type: int
    amount_str: str
    price_str: str
    microtimestamp: str


class _Frame(msgspec.Struct):
    event: str
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _ErrorData(msgspec.Struct):
    message: str = ""


class _Row(msgspec.Struct):
    date: str
    tid: str | int
    price: str
    type: str | int
    amount: str


_frame = msgspec.json.Decoder(_Frame)
_live = msgspec.json.Decoder(_LiveTrade)
_error = msgspec.json.Decoder(_ErrorData)
_rows = msgspec.json.Decoder(list[_Row])
_row = msgspec.json.Decoder(_Row)
_encode = msgspec.json.Encoder().encode


def native_name(product_id: str) -> str:
    """Return Bitstamp's pair: ``BTC/USD`` -> ``btcusd``."""
    return product_id.replace("/", "").replace("-", "").lower()


class Bitstamp(ExchangeAdapter):
    """Bitstamp (www.bitstamp.net/websocket/v2, www.bitstamp.net/api)."""

    name = "bitstamp"
    ws_url = "wss://ws.bitstamp.net"
    rest_url = "https://www.bitstamp.net"
    trade_ids = "shared"
    history_reach = HistoryReach(86_400 * _S, "the last day of trades")
    history_time_us = _S
    snapshot_on_subscribe = False
    provides_server_time = False
    rejects_unknown_products = False
    # Documented: 10,000 calls in 10 minutes; this is far below.
    rest_interval_seconds = 0.5
    # Its heartbeat is answered at once, and goes out each second.
    silence_seconds = 10.0
    max_connection_age_seconds = 90 * 86_400.0
    connection_attempts = (60, 60.0)

    def symbol(self, product_id: str) -> str:
        """Return ``btcusd``."""
        return native_name(product_id)

    def subscriptions(self, symbols: Sequence[str]) -> list[str]:
        """Subscribe one by one: frames of 512 bytes or more end the connection."""
        return [_text("bts:subscribe", {"channel": _CHANNEL + symbol}) for symbol in symbols]

    def ping_frame(self) -> str:
        """Return Bitstamp's heartbeat, which is answered."""
        return '{"event":"bts:heartbeat"}'

    def events(self, data: FrameData) -> list[FrameEvent]:
        """Return what a frame says."""
        frame = _frame.decode(data)
        product = self._names.configured(frame.channel.removeprefix(_CHANNEL))
        match frame.event:
            case "trade":
                trade = _live_trade(_live.decode(frame.data))
                return [TradesSeen(product, (trade,), is_snapshot=False)]
            case "bts:subscription_succeeded":
                return [Subscribed(product)]
            case "bts:heartbeat":
                return [Alive()]
            case "bts:request_reconnect":
                return [ReconnectAsked(frame.event)]
            case "bts:error":
                words = _error.decode(frame.data).message or "bts:error"
                return [SubscriptionRejected(product if frame.channel else "", words)]
        raise ValueError(f"a frame of an undocumented event {frame.event!r}")

    def check(self, response: Response) -> None:
        """Raise what a status stands for; 404 is an unknown pair."""
        if response.status == 404:
            raise UnknownProductError(f"HTTP 404 {words_of(response)[:80]}")
        check_answer(response)

    def product_check(self, product_id: str) -> Request:
        """Ask for the last minute's trades."""
        return _transactions(product_id, "minute")

    def pages_from_time(self, product_id: str, from_us: int, fetch: Fetch) -> Iterator[Page]:
        """Ask for the shortest span that reaches back to the time, at most a day."""
        # Rows are in whole seconds, cut off.
        second = from_us // _S * _S
        span, _ = _reaching(product_id, fetch, lambda oldest: oldest.timestamp_us < second)
        trades = tuple(t for t in span.trades if t.timestamp_us >= second)
        yield Page(trades, more=False, rejected=tuple(span.rejected))

    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        """Ask for the shortest span that reaches back to the position, and yield all of it.

        What a lost frame left out lies before the position, and only the overlap shows it.

        Raises:
            HistoryTooShortError: no span does.
        """
        last_id = int(position.trade_id)
        span, reaches = _reaching(product_id, fetch, lambda t: int(t.trade_id) <= last_id)
        if not reaches and span.trades:
            raise HistoryTooShortError(
                "Bitstamp's history goes back one day only", span.trades[0].timestamp_us + _S
            )
        yield Page(tuple(span.trades), more=False, rejected=tuple(span.rejected))


def _transactions(product_id: str, span: str) -> Request:
    return Request(f"/api/v2/transactions/{native_name(product_id)}/", {"time": span})


class _Span(NamedTuple):
    trades: list[Trade]
    rejected: list[Malformed]


def _reaching(
    product_id: str, fetch: Fetch, is_behind: Callable[[Trade], bool]
) -> tuple[_Span, bool]:
    """Return the trades of the shortest span whose oldest one is behind, and whether it is."""
    found = _Span([], [])
    for span in _SPANS:
        body = fetch(_transactions(product_id, span)).body
        rows, broken = decode_page(_read_rows, body, "Bitstamp's history")
        trades, rejected = trades_of(rows, _row_trade)
        found = _Span(sorted(trades, key=by_sequential_id), [*broken, *rejected])
        if trades and is_behind(found.trades[0]):
            return found, True
    return found, False


def _read_rows(body: bytes) -> tuple[list[_Row], list[Malformed]]:
    return read_rows(body, _rows, _row)


def _text(event: str, data: dict[str, str]) -> str:
    return _encode({"event": event, "data": data}).decode()


def _live_trade(row: _LiveTrade) -> Trade:
    us = time_us(row.microtimestamp)
    return trade_of(row.id, row.price_str, row.amount_str, _side(row.type), us)


def _row_trade(row: _Row) -> Trade:
    us = time_us(row.date, _S)
    return trade_of(row.tid, row.price, row.amount, _side(id_of(row.type)), us)


def _side(kind: int) -> Side:
    """Return the taker's side: 0 bought, 1 sold."""
    if kind not in (0, 1):
        raise ValueError(f"type was {kind}; expected 0 or 1")
    return "sell" if kind else "buy"
