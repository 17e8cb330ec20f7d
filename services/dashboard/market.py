"""What the tails of ``trades`` and ``ohlc`` have shown: recent candles, and those still open.

Candles here are for the eye: binary floats, provisional where their window is open.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.records import GapMessage

#: Of one product and interval, at most and at least; of all together, about. A candle takes about
#: 400 bytes as the text that is kept of it.
_MOST_CANDLES = 2_000
_FEWEST_CANDLES = 200
_ALL_CANDLES = 160_000
_KEPT_GAPS = 200
_HOUR_US = 3_600_000_000
#: One price in so long, for the change over an hour.
_PRICE_EVERY_US = 10_000_000
_KEPT_PRICES = 400

Row = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Row).decode


def candle_row(candle: Candle) -> Row:
    """Return a candle of the topic as the page takes it: times in ms, numbers as floats."""
    return {
        "start": candle.window_start_ms,
        "end": candle.window_end_ms,
        "open": float(candle.open),
        "high": float(candle.high),
        "low": float(candle.low),
        "close": float(candle.close),
        "volume": float(candle.volume),
        "vwap": float(candle.vwap),
        "trades": candle.trade_count,
        "buy_volume": None if candle.buy_volume is None else float(candle.buy_volume),
        "complete": candle.complete,
        "revision": candle.revision,
        "from": "topic",
    }


class _Open:
    """The open window of one interval, as far as its trades were seen here."""

    def __init__(self, start_us: int, trade: Trade, *, is_whole: bool) -> None:
        self.start_us = start_us
        self.is_whole = is_whole
        self.open = self.high = self.low = self.close = float(trade.price)
        self.volume = 0.0
        self.trades = 0

    def add(self, trade: Trade) -> None:
        price = float(trade.price)
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += float(trade.quantity)
        self.trades += 1

    def row(self, us: int) -> Row:
        return {
            "start": self.start_us // 1_000,
            "end": (self.start_us + us) // 1_000,
            "open": self.open,
            "high": self.high,
            "low": self.low,
            "close": self.close,
            "volume": self.volume,
            "trades": self.trades,
            "provisional": True,
            "partial": not self.is_whole,
        }


class _Product:
    """One product's recent past."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self.candles: dict[str, OrderedDict[int, bytes]] = {
            interval.text: OrderedDict() for interval in intervals
        }
        self.open: dict[str, _Open] = {}
        self.last: Trade | None = None
        self.first_us = 0
        self.watermark_us = 0
        self.trades = 0
        self.prices: deque[tuple[int, float]] = deque(maxlen=_KEPT_PRICES)
        self.gaps: deque[Row] = deque(maxlen=_KEPT_GAPS)
        self.revisions = 0


class Market:
    """All products; written by the thread that reads the topics, read by the server's.

    Args:
        intervals: of the open candles; closed ones are kept of any interval.
    """

    def __init__(self, intervals: Iterable[str]) -> None:
        self._intervals = [Interval.parse(text) for text in intervals]
        self._products: dict[ProductKey, _Product] = {}
        self._lock = threading.Lock()
        self._series = 0
        self.changes = 0

    def _product(self, key: ProductKey) -> _Product:
        product = self._products.get(key)
        if product is None:
            product = self._products[key] = _Product(self._intervals)
            self._series += len(product.candles)
        return product

    def trades(self, key: ProductKey, trades: Sequence[Trade]) -> None:
        """Take the trades of one record, in order."""
        with self._lock:
            product = self._product(key)
            if not product.first_us:
                product.first_us = trades[0].timestamp_us
            for trade in trades:
                self._trade(product, trade)
            product.last = trades[-1]
            product.trades += len(trades)
            product.watermark_us = max(product.watermark_us, trades[-1].timestamp_us)
            price = float(trades[-1].price)
            moment = trades[-1].timestamp_us // _PRICE_EVERY_US
            if not product.prices or product.prices[-1][0] < moment:
                product.prices.append((moment, price))
            for gap in product.gaps:
                if gap["to"] is None:
                    gap["to"] = trades[0].timestamp_us // 1_000
            self.changes += 1

    def _trade(self, product: _Product, trade: Trade) -> None:
        for interval in self._intervals:
            start = interval.window_start(trade.timestamp_us)
            window = product.open.get(interval.text)
            if window is None or start > window.start_us:
                whole = start >= product.first_us
                window = product.open[interval.text] = _Open(start, trade, is_whole=whole)
            if start == window.start_us:
                window.add(trade)

    def watermark(self, key: ProductKey, watermark_us: int) -> None:
        """Take a watermark."""
        with self._lock:
            product = self._product(key)
            product.watermark_us = max(product.watermark_us, watermark_us)

    def gap(self, key: ProductKey, message: GapMessage) -> None:
        """Take a gap; the first trade behind it ends its span."""
        with self._lock:
            product = self._product(key)
            last = product.last
            product.gaps.append(
                {
                    "first": message.first_missing_id,
                    "last": message.last_missing_id,
                    "from": None if last is None else last.timestamp_us // 1_000,
                    "to": None,
                }
            )

    def candle(self, candle: Candle) -> None:
        """Take a candle of the ``ohlc`` topic."""
        with self._lock:
            product = self._product(ProductKey(candle.exchange, candle.product_id))
            candles = product.candles.get(candle.interval)
            if candles is None:
                candles = product.candles[candle.interval] = OrderedDict()
                self._series += 1
            row = candle_row(candle)
            kept_before = candles.get(candle.window_start_ms)
            if kept_before is not None:
                before = _decode(kept_before)
                if before["revision"] > candle.revision:
                    return
                row["before"] = {name: before[name] for name in ("open", "high", "low", "close")}
            candles[candle.window_start_ms] = _encode(row)
            if candle.revision:
                product.revisions += 1
            kept = self._kept_candles()
            while len(candles) > kept:
                candles.popitem(last=False)
            self.changes += 1

    def _kept_candles(self) -> int:
        """Return how many candles of each product and interval are kept."""
        share = _ALL_CANDLES // max(1, self._series)
        return max(_FEWEST_CANDLES, min(_MOST_CANDLES, share))

    def recent(self, key: ProductKey, interval: str) -> list[Row]:
        """Return the recent closed candles, oldest first."""
        with self._lock:
            product = self._products.get(key)
            if product is None:
                return []
            kept = list(product.candles.get(interval, {}).values())
        return sorted(map(_decode, kept), key=_start)

    def open_candle(self, key: ProductKey, interval: str) -> Row | None:
        """Return the candle of the window that is open, or None before its first trade."""
        with self._lock:
            product = self._products.get(key)
            window = None if product is None else product.open.get(interval)
            if product is None or window is None:
                return None
            closed: Mapping[int, bytes] = product.candles.get(interval, {})
            if window.start_us // 1_000 in closed:
                return None
            us = Interval.parse(interval).us
            return window.row(us)

    def gaps(self, key: ProductKey) -> list[Row]:
        """Return the product's gaps, oldest first."""
        with self._lock:
            product = self._products.get(key)
            return [] if product is None else [dict(gap) for gap in product.gaps]

    def intervals(self) -> list[str]:
        """Return every interval there is a candle of, shortest first."""
        with self._lock:
            names = {interval.text for interval in self._intervals}
            names.update(
                name
                for product in self._products.values()
                for name, candles in product.candles.items()
                if candles
            )
        return sorted(names, key=lambda text: Interval.parse(text).us)

    def products(self) -> list[Row]:
        """Return what the list of products shows."""
        with self._lock:
            return [_summary(key, product) for key, product in self._products.items()]

    @property
    def trade_count(self) -> int:
        """Trades read so far."""
        with self._lock:
            return sum(product.trades for product in self._products.values())


def _start(row: Row) -> int:
    return int(row["start"])


def _summary(key: ProductKey, product: _Product) -> Row:
    last = product.last
    change = None
    if product.prices and last is not None:
        hour_ago = (last.timestamp_us - _HOUR_US) // _PRICE_EVERY_US
        first = next((price for moment, price in product.prices if moment >= hour_ago), None)
        if first:
            change = float(last.price) / first - 1
    return {
        "exchange": key.exchange,
        "product": key.product_id,
        "price": None if last is None else float(last.price),
        "last_trade": None if last is None else last.timestamp_us // 1_000,
        "watermark": product.watermark_us // 1_000 or None,
        "change": change,
        "trades": product.trades,
        "gaps": len(product.gaps),
        "revisions": product.revisions,
    }
