"""The running sums of one window, and the candle they amount to."""

from decimal import Decimal

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import ZERO, vwap
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.ordering import OrderKey
from ohlc_core.domain.segment import Segment
from ohlc_core.domain.trade import ProductKey

_NO_KEY: OrderKey = (0, 0, "")


class Window(msgspec.Struct):
    """One window's exact sums, and what was last said of it.

    ``open`` and ``close`` of a window without trades are the previous close. ``revision`` is that
    of the newest emitted candle, -1 before the first; ``complete`` is what that candle said.
    ``buy_volume`` is None once the side of any trade is unknown.
    """

    count: int = 0
    volume: Decimal = ZERO
    price_quantity: Decimal = ZERO
    buy_volume: Decimal | None = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    first_key: OrderKey = _NO_KEY
    open: Decimal = ZERO
    first_id: str | None = None
    last_key: OrderKey = _NO_KEY
    close: Decimal = ZERO
    last_id: str | None = None
    revision: int = -1
    complete: bool = True

    def add(self, segment: Segment) -> None:
        """Take in trades, in whatever order segments arrive."""
        is_first = self.count == 0
        if is_first or segment.high > self.high:
            self.high = segment.high
        if is_first or segment.low < self.low:
            self.low = segment.low
        if is_first or segment.first_key < self.first_key:
            self.first_key, self.open = segment.first_key, segment.first_price
            self.first_id = segment.first_id
        if is_first or segment.last_key > self.last_key:
            self.last_key, self.close = segment.last_key, segment.last_price
            self.last_id = segment.last_id
        self.count += segment.trade_count
        self.volume += segment.volume
        self.price_quantity += segment.price_quantity
        if self.buy_volume is None or segment.buy_volume is None:
            self.buy_volume = None
        else:
            self.buy_volume += segment.buy_volume

    def flatten(self, price: Decimal) -> None:
        """Become the flat candle of a window without trades, at the previous close."""
        self.open = self.high = self.low = self.close = price

    def candle(self, key: ProductKey, interval: Interval, start_us: int) -> Candle:
        """Return the candle of this window as it stands."""
        return Candle(
            exchange=key.exchange,
            product_id=key.product_id,
            interval=interval.text,
            window_start_ms=start_us // 1_000,
            window_end_ms=(start_us + interval.us) // 1_000,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            # Without volume there is nothing to weigh: the price the window ended at stands in.
            vwap=vwap(self.price_quantity, self.volume) if self.volume else self.close,
            trade_count=self.count,
            buy_volume=self.buy_volume,
            first_trade_id=self.first_id,
            last_trade_id=self.last_id,
            complete=self.complete,
            revision=self.revision,
        )
