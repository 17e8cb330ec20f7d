"""The candle: what one window's trades amount to."""

from decimal import Decimal

import msgspec


class Candle(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="candle"):
    """Open, high, low, close and volume of one product's trades in one window.

    The fields stand in the order they are written to the ``ohlc`` topic. ``vwap`` is rounded to
    12 significant digits; every other number is exact. ``revision`` counts corrections of the
    same window, from 0. ``buy_volume`` is None where the taker's side of any trade is unknown. The
    ids are None in a window without trades.
    """

    exchange: str
    product_id: str
    interval: str
    window_start_ms: int
    window_end_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    vwap: Decimal
    trade_count: int
    buy_volume: Decimal | None
    first_trade_id: str | None
    last_trade_id: str | None
    complete: bool
    revision: int
