"""Official candles, computed from the market's own trades in exact integers."""

from typing import NamedTuple

from exchange_simulator.formatting import NS
from exchange_simulator.market.trade_log import TradeLog


class OfficialCandle(NamedTuple):
    """One window ``[start, start + interval)``; prices and volumes in the product's units.

    ``value`` is sum(price x quantity). A window without trades is flat at the close before it,
    with volume, value and trades 0; its ids are -1.
    """

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int
    trades: int
    first_id: int
    last_id: int
    buy_volume: int
    buy_value: int

    @property
    def vwap(self) -> int:
        """The volume-weighted average price, cut (not rounded) to a price unit."""
        return self.value // self.volume if self.volume else 0


def official_candles(
    log: TradeLog, interval_seconds: int, first_start: int, now_ns: int, origin: int = 0
) -> list[OfficialCandle]:
    """Return every candle from ``first_start`` (s) up to the running one, oldest first.

    Starts no earlier than the window of the first trade; empty windows are flat. Windows are
    counted from ``origin`` (s).
    """
    if not len(log):
        return []
    now = now_ns // NS
    begin = max(first_start, log.row(0).time_ns // NS)
    start = begin - (begin - origin) % interval_seconds
    index = log.index_at_time(start * NS)
    close = log.row(index - 1).price if index else 0
    found: list[OfficialCandle] = []
    while start <= now:
        stop = log.index_at_time((start + interval_seconds) * NS)
        candle = _candle(log, start, index, stop, close)
        found.append(candle)
        close = candle.close
        index = stop
        start += interval_seconds
    return found


def _candle(log: TradeLog, start: int, index: int, stop: int, close: int) -> OfficialCandle:
    if index == stop:
        return OfficialCandle(start, close, close, close, close, 0, 0, 0, -1, -1, 0, 0)
    rows = [log.row(each) for each in range(index, stop)]
    prices = [row.price for row in rows]
    bought = [row for row in rows if not row.is_sell]
    return OfficialCandle(
        start,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(row.quantity for row in rows),
        sum(row.price * row.quantity for row in rows),
        len(rows),
        rows[0].trade_id,
        rows[-1].trade_id,
        sum(row.quantity for row in bought),
        sum(row.price * row.quantity for row in bought),
    )
