"""The rows a store should hold, computed from trades in the exchange's order."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import gcd

import polars as pl

from ohlc_backfill.verification.partials import Partial, partials_of
from ohlc_core.domain.decimals import EXACT, vwap
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_features.schema import FeatureRow

# In the order of ids, stamps may step back by about a microsecond; this is ample.
_MARGIN_US = 60_000_000
_ZERO = Decimal(0)


class _Window:
    """The sums of one window so far."""

    __slots__ = ("buy", "close", "count", "first", "high", "last", "low", "open", "pq", "volume")

    def __init__(self, part: Partial) -> None:
        self.count = part.trades
        self.open, self.high, self.low, self.close = part.open, part.high, part.low, part.close
        self.volume, self.pq, self.buy = part.volume, part.price_quantity, part.buy_volume
        self.first, self.last = part.first_id, part.last_id

    def add(self, part: Partial) -> None:
        self.count += part.trades
        self.high, self.low = max(self.high, part.high), min(self.low, part.low)
        self.close, self.last = part.close, part.last_id
        self.volume = EXACT.add(self.volume, part.volume)
        self.pq = EXACT.add(self.pq, part.price_quantity)
        if self.buy is None or part.buy_volume is None:
            self.buy = None
        else:
            self.buy = EXACT.add(self.buy, part.buy_volume)


class ExpectedRows:
    """Rows of one product; feed it trade tables in order, then finish.

    Args:
        key: the product.
        intervals: of the candles.
        from_us, to_us: the period whose windows are whole; windows it cuts give no row.
        fill: whether windows without trades have flat candles.
    """

    def __init__(
        self,
        key: ProductKey,
        intervals: Sequence[Interval],
        from_us: int,
        to_us: int,
        *,
        fill: bool = False,
    ) -> None:
        self.trades = 0
        self.key = key
        self.intervals = tuple(intervals)
        self._base_us = gcd(*(us for interval in intervals for us in interval[1:]))
        self.from_us, self.to_us = from_us, to_us
        self._fill = fill
        self._open: dict[str, dict[int, _Window]] = {each.text: {} for each in intervals}
        self._next: dict[str, tuple[int, Decimal]] = {}
        self._gaps: list[tuple[int, int]] = []
        self._last_us: int | None = None
        self._in_gap = False

    def gap(self) -> None:
        """Note that trades are missing between the last one and the next one."""
        self._in_gap = True

    def add(self, table: pl.DataFrame) -> Iterator[FeatureRow]:
        """Count the trades; yield the rows of windows that are over."""
        if table.is_empty():
            return
        first_us, last_us = int(table["timestamp_us"][0]), int(table["timestamp_us"][-1])
        if self._in_gap:
            self._gaps.append((self._last_us or 0, first_us))
            self._in_gap = False
        self.trades += table.height
        self._last_us = last_us
        for part in partials_of(table, self._base_us):
            for interval in self.intervals:
                windows = self._open[interval.text]
                start = interval.window_start(part.window_us)
                window = windows.get(start)
                if window is None:
                    windows[start] = _Window(part)
                else:
                    window.add(part)
        yield from self._closed(last_us - _MARGIN_US)

    def finish(self) -> Iterator[FeatureRow]:
        """Yield the rest of the rows."""
        if self._in_gap:
            self._gaps.append((self._last_us or 0, self.to_us))
        yield from self._closed(1 << 62)

    def is_judged(self, start_us: int, end_us: int) -> bool:
        """Whether the window [start, end) is wholly inside the period and no gap touches it."""
        return (
            self.from_us <= start_us
            and end_us <= self.to_us
            and all(to < start_us or end_us <= from_ for from_, to in self._gaps)
        )

    def _closed(self, until_us: int) -> Iterator[FeatureRow]:
        for interval in self.intervals:
            windows = self._open[interval.text]
            for start in sorted(start for start in windows if start + interval.us <= until_us):
                window = windows.pop(start)
                if self._fill:
                    yield from self._flat(interval, start)
                    self._next[interval.text] = (start + interval.us, window.close)
                if self.is_judged(start, start + interval.us):
                    yield self._row(interval, start, window)
            if self._fill:
                yield from self._flat(interval, min(until_us, self.to_us) - interval.us + 1)

    def _flat(self, interval: Interval, before_us: int) -> Iterator[FeatureRow]:
        """Yield flat rows from the last close up to the window that starts at before_us."""
        if interval.text not in self._next:
            return
        start, close = self._next[interval.text]
        while start < before_us and start + interval.us <= self.to_us:
            if self.is_judged(start, start + interval.us):
                yield self._flat_row(interval, start, close)
            start += interval.us
        self._next[interval.text] = (start, close)

    def _flat_row(self, interval: Interval, start_us: int, close: Decimal) -> FeatureRow:
        window = Partial(start_us, 0, close, close, close, close, _ZERO, _ZERO, _ZERO, "", "")
        return self._row(interval, start_us, _Window(window))

    def _row(self, interval: Interval, start_us: int, w: _Window) -> FeatureRow:
        average = vwap(w.pq, w.volume) if w.volume else w.close
        return FeatureRow(
            exchange=self.key.exchange,
            product_id=self.key.product_id,
            candle_interval=interval.text,
            window_start=start_us // 1_000,
            window_end=(start_us + interval.us) // 1_000,
            open=float(w.open),
            high=float(w.high),
            low=float(w.low),
            close=float(w.close),
            volume=float(w.volume),
            vwap=float(average),
            buy_volume=None if w.buy is None else float(w.buy),
            trade_count=w.count,
            first_trade_id=w.first or None,
            last_trade_id=w.last or None,
            complete=True,
            revision=0,
        )
