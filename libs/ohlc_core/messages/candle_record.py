"""The ``ohlc`` record as it is on the wire: numbers are JSON numbers in plain notation."""

import re
from decimal import Decimal

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.trade import EARLIEST_US, TIME_LIMIT
from ohlc_core.errors import MalformedMessageError

# A price to a product of price and quantity, summed: see `ohlc_core.domain.decimals`.
_NUMBER = re.compile(rb"-?[0-9]{1,100}(?:\.[0-9]{1,100})?")

_EARLIEST_MS, _LATEST_MS = EARLIEST_US // 1_000, TIME_LIMIT // 1_000


class CandleRecord(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="candle"):
    """The fields of `Candle`, their numbers not read yet."""

    exchange: str
    product_id: str
    interval: str
    window_start_ms: int
    window_end_ms: int
    open: msgspec.Raw
    high: msgspec.Raw
    low: msgspec.Raw
    close: msgspec.Raw
    volume: msgspec.Raw
    vwap: msgspec.Raw
    trade_count: int
    buy_volume: msgspec.Raw
    first_trade_id: str | None
    last_trade_id: str | None
    complete: bool
    revision: int


def candle_of(record: CandleRecord) -> Candle:
    """Return the candle of a record.

    Raises:
        MalformedMessageError: a number is none, or not in plain notation.
    """
    r = record
    if not _EARLIEST_MS <= r.window_start_ms < r.window_end_ms < _LATEST_MS:
        raise MalformedMessageError(
            f"the window was {str(r.window_start_ms)[:20]} to {str(r.window_end_ms)[:20]} ms; "
            "expected times from 2009, the end behind the start"
        )
    return Candle(
        exchange=r.exchange,
        product_id=r.product_id,
        interval=r.interval,
        window_start_ms=r.window_start_ms,
        window_end_ms=r.window_end_ms,
        open=_number("open", r.open),
        high=_number("high", r.high),
        low=_number("low", r.low),
        close=_number("close", r.close),
        volume=_number("volume", r.volume),
        vwap=_number("vwap", r.vwap),
        trade_count=r.trade_count,
        buy_volume=None if bytes(r.buy_volume) == b"null" else _number("buy_volume", r.buy_volume),
        first_trade_id=r.first_trade_id,
        last_trade_id=r.last_trade_id,
        complete=r.complete,
        revision=r.revision,
    )


def _number(field: str, raw: msgspec.Raw) -> Decimal:
    text = bytes(raw)
    if _NUMBER.fullmatch(text) is None:
        raise MalformedMessageError(
            f"{field} was {text[:40].decode(errors='replace')}; expected a number in plain notation"
        )
    return Decimal(text.decode())
