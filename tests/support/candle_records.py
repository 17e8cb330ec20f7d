"""Candles for tests of what reads the ``ohlc`` topic."""

from decimal import Decimal
from typing import Any

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.interval import Interval

#: A window start that is a multiple of every usual interval: 2026-09-21T00:00:00Z.
MONDAY_MS = 1_789_948_800_000

_BASE = Candle(
    exchange="kraken",
    product_id="BTC/USD",
    interval="1m",
    window_start_ms=MONDAY_MS,
    window_end_ms=MONDAY_MS + 60_000,
    open=Decimal("84098.4"),
    high=Decimal("84103.1"),
    low=Decimal("84090"),
    close=Decimal("84101.2"),
    volume=Decimal("1.73220417"),
    vwap=Decimal("84099.871204"),
    trade_count=41,
    buy_volume=Decimal("1.102"),
    first_trade_id="109183836",
    last_trade_id="109183876",
    complete=True,
    revision=0,
)


def candle(
    window: int = 0,
    *,
    product_id: str = "BTC/USD",
    interval: str = "1m",
    close: str = "84101.2",
    **changes: Any,
) -> Candle:
    """Return the candle of the ``window``-th window after `MONDAY_MS`, with ``changes``."""
    length_ms = Interval.parse(interval).us // 1_000
    start = MONDAY_MS + window * length_ms
    placed = msgspec.structs.replace(
        _BASE,
        product_id=product_id,
        interval=interval,
        window_start_ms=start,
        window_end_ms=start + length_ms,
        close=Decimal(close),
    )
    return msgspec.structs.replace(placed, **changes)


def record_key(candle: Candle) -> str:
    """Return the key of the candle's record."""
    return f"{candle.exchange}:{candle.product_id}"
