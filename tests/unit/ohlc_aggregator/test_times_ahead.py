"""Trades ahead of this machine's clock: one is an error, a market that goes on is not."""

from ohlc_aggregator.metrics import Counts
from ohlc_aggregator.records import Outgoing, Place, RecordReader
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import MemoryStore
from ohlc_core.messages.codec import decode_candle, encode_trades
from support.candles import KEY, MINUTE, SECOND, T0, rules, trade

_PLACE = Place("trades", 0, 7, T0 // 1_000)


class _Market:
    """An aggregator whose clock stands still at `T0`."""

    def __init__(self) -> None:
        self._reader = RecordReader(60 * MINUTE, lambda: T0, Counts(("1m",)))
        self._product = ProductCandles(KEY, rules("1m"), MemoryStore(), sequential=True)
        self._next_id = 1
        self.windows: list[int] = []

    def trade_at(self, timestamp_us: int) -> None:
        value = encode_trades(*KEY, "websocket", [trade(self._next_id, timestamp_us)])
        self._next_id += 1
        record = self._reader.decode(str(KEY).encode(), value)
        outgoing: list[Outgoing] = list(self._reader.apply(self._product, record, _PLACE))
        candles = [decode_candle(each.value) for each in outgoing if not each.is_dead_letter]
        self.windows += [(each.window_start_ms * 1_000 - T0) // MINUTE for each in candles]


def test_one_trade_ahead_closes_no_window() -> None:
    market = _Market()
    market.trade_at(T0)
    market.trade_at(T0 + 50 * MINUTE)
    market.trade_at(T0 + SECOND)

    assert market.windows == []


def test_market_whose_clock_is_ahead_closes_its_windows() -> None:
    market = _Market()
    for minute in range(10, 20):
        market.trade_at(T0 + minute * MINUTE)

    assert market.windows == list(range(10, 18))
