"""Drives the candle rules in memory, and computes the same candles independently."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import duckdb

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.product_candles import Output, ProductCandles
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.state import MemoryStore
from ohlc_core.domain.trade import ProductKey, Side, Trade
from ohlc_exchanges.registry import has_dense_ids

KEY = ProductKey("kraken", "BTC/USD")
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
#: A time at which windows of every interval up to a day start.
T0 = 1_790_035_200 * SECOND


def rules(
    *intervals: str, grace_ms: int = 1_000, retention: str = "1h", fill: bool = False
) -> CandleRules:
    """Return candle rules from the texts of settings."""
    return CandleRules(
        [Interval.parse(text) for text in intervals or ("1m", "5m", "1h")],
        grace_ms * 1_000,
        0 if retention == "0" else Interval.parse(retention).us,
        fill_empty=fill,
    )


def trade(
    trade_id: int | str,
    timestamp_us: int,
    price: str | Decimal = "100",
    quantity: str | Decimal = "1",
    side: Side = "buy",
) -> Trade:
    """Return a trade from short arguments."""
    return Trade(str(trade_id), Decimal(price), Decimal(quantity), side, timestamp_us)


class Driver:
    """One product's candles, fed record by record; can lose its memory like a process does."""

    def __init__(self, candle_rules: CandleRules | None = None, key: ProductKey = KEY) -> None:
        self.rules = candle_rules or rules()
        self.key = key
        self.store = MemoryStore()
        self.product = self._candles()
        self.output = Output()

    def _candles(self) -> ProductCandles:
        sequential = has_dense_ids(self.key.exchange)
        return ProductCandles(self.key, self.rules, self.store, sequential=sequential)

    def _took(self, output: Output) -> list[Candle]:
        while (more := self.product.more()) is not None:
            output.candles += more.candles
            output.rejected += more.rejected
            output.duplicates += more.duplicates
            output.late += more.late
        self.output.candles += output.candles
        self.output.rejected += output.rejected
        self.output.duplicates += output.duplicates
        self.output.late += output.late
        return output.candles

    def trades(self, *trades: Trade) -> list[Candle]:
        return self._took(self.product.on_trades(trades))

    def start(self, from_us: int) -> list[Candle]:
        return self._took(self.product.on_start(from_us))

    def gap(self, first: int | str, last: int | str) -> list[Candle]:
        return self._took(self.product.on_gap(str(first), str(last)))

    def removed(self) -> list[Candle]:
        return self._took(self.product.on_removed())

    def watermark(self, watermark_us: int, *, final: bool = False) -> list[Candle]:
        return self._took(self.product.on_watermark(watermark_us, final=final))

    def approach(self, watermark_us: int) -> bool:
        """Take a part of what a watermark far ahead gives; return whether there was one."""
        output = self.product.approach(watermark_us)
        if output is not None:
            self._took(output)
        return output is not None

    def restart(self) -> None:
        """Save, and go on with nothing but what was saved."""
        self.product.save()
        self.restart_from_store()

    def restart_from_store(self) -> None:
        """Go on with nothing but what is in the store."""
        self.product = self._candles()


def newest(candles: Iterable[Candle]) -> dict[tuple[str, int], Candle]:
    """Return the newest revision of every window, by (interval, start in ms)."""
    by_window: dict[tuple[str, int], Candle] = {}
    for candle in candles:
        known = by_window.get((candle.interval, candle.window_start_ms))
        if known is None or candle.revision >= known.revision:
            by_window[candle.interval, candle.window_start_ms] = candle
    return by_window


_BATCH = """
with trade as (
    select unnest(?::bigint[]) as id, unnest(?::bigint[]) as us,
           unnest(?::varchar[])::decimal(20, 4) as price,
           unnest(?::varchar[])::decimal(20, 8) as quantity, unnest(?::boolean[]) as bought,
           unnest(?::boolean[]) as known
)
select us // $interval * $interval // 1000, arg_min(price, id), max(price), min(price),
       arg_max(price, id), sum(quantity), sum(price * quantity), count(*),
       case when bool_and(known) then coalesce(sum(quantity) filter (bought), 0) end,
       min(id), max(id)
from trade group by 1 order by 1
"""


def batch_candles(trades: Sequence[Trade], interval: str) -> dict[int, tuple[object, ...]]:
    """Compute candles in one go with DuckDB's exact decimals.

    Returns:
        By window start (ms): open, high, low, close, volume, price-quantity sum, count, buy
        volume, first id, last id.
    """
    if not trades:
        return {}
    us = Interval.parse(interval).us
    query = _BATCH.replace("$interval", str(us))
    columns = [
        [int(t.trade_id) for t in trades],
        [t.timestamp_us for t in trades],
        [str(t.price) for t in trades],
        [str(t.quantity) for t in trades],
        [t.side == "buy" for t in trades],
        [t.side != "unknown" for t in trades],
    ]
    with duckdb.connect() as connection:
        rows = connection.execute(query, columns).fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def as_batch_row(candle: Candle) -> tuple[object, ...]:
    """Return a candle's columns in the order of `batch_candles`, without the exact sum."""
    assert candle.first_trade_id is not None
    assert candle.last_trade_id is not None
    return (
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.trade_count,
        candle.buy_volume,
        int(candle.first_trade_id),
        int(candle.last_trade_id),
    )
