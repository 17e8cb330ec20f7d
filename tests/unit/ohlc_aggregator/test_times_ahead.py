"""Trades ahead of this machine's clock: one is an error, a market that goes on is not."""

import pytest

from ohlc_aggregator.metrics import Counts
from ohlc_aggregator.records import Outgoing, Place, RecordReader
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import MemoryStore
from ohlc_core.messages.codec import decode_candle, encode, encode_trades
from ohlc_core.messages.records import GapMessage, WatermarkMessage
from support.candles import KEY, MINUTE, SECOND, T0, rules, trade

_PLACE = Place("trades", 0, 7, T0 // 1_000)


class _Market:
    """An aggregator whose clock stands still at `T0` until it is moved."""

    def __init__(self) -> None:
        self.clock_us = T0
        self._store = MemoryStore()
        self._begin()
        self._next_id = 1
        self.windows: list[int] = []
        self.incomplete: set[int] = set()

    def _begin(self) -> None:
        self._reader = RecordReader(60 * MINUTE, lambda: self.clock_us, Counts(("1m",)))
        self._product = ProductCandles(KEY, rules("1m"), self._store, sequential=True)

    def restart(self) -> None:
        """Go on with what is stored."""
        self._product.save()
        self._begin()

    def trade_at(self, *timestamps_us: int) -> None:
        """Read one record of trades at these times."""
        trades = [trade(self._next_id + i, each) for i, each in enumerate(timestamps_us)]
        self._next_id += len(trades)
        self._read(encode_trades(*KEY, "websocket", trades))

    def trade_of(self, trade_id: int, timestamp_us: int) -> None:
        """Read a record of one trade of this id."""
        self._read(encode_trades(*KEY, "websocket", [trade(trade_id, timestamp_us)]))

    def gap_of(self, ids: int) -> None:
        """Read the record of a gap of so many ids."""
        first, self._next_id = self._next_id, self._next_id + ids
        self._read(encode(GapMessage(*KEY, str(first), str(self._next_id - 1))))

    def watermark(self, watermark_us: int) -> None:
        """Read a watermark record."""
        self._read(encode(WatermarkMessage(*KEY, watermark_us)))

    def _read(self, value: bytes) -> None:
        record = self._reader.decode(str(KEY).encode(), value)
        outgoing: list[Outgoing] = list(self._reader.apply(self._product, record, _PLACE))
        candles = [decode_candle(each.value) for each in outgoing if not each.is_dead_letter]
        for each in candles:
            window = (each.window_start_ms * 1_000 - T0) // MINUTE
            self.windows.append(window)
            (self.incomplete.discard if each.complete else self.incomplete.add)(window)


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


def test_gap_behind_a_market_ahead_is_as_narrow_as_the_trades_around_it() -> None:
    market = _Market()
    market.trade_at(T0)
    market.trade_at(*(T0 + minute * MINUTE for minute in range(10, 20)))
    market.gap_of(5)
    market.trade_at(*(T0 + minute * MINUTE for minute in range(20, 25)))
    market.trade_at(*(T0 + minute * MINUTE for minute in range(25, 30)))

    assert market.windows[-1] == 27
    assert market.incomplete == {19, 20}


def test_gap_behind_one_trade_ahead_begins_where_event_time_stands() -> None:
    market = _Market()
    market.trade_at(T0)
    market.trade_at(T0 + 50 * MINUTE)
    market.gap_of(5)
    market.trade_at(T0 + 4 * SECOND)
    market.watermark(T0 + 40 * MINUTE)

    assert market.incomplete == {0}


def test_wrong_trade_does_not_move_the_beginning_of_the_gap_behind_it() -> None:
    market = _Market()
    market.clock_us = T0 + 59 * SECOND
    market.trade_at(T0 + 59 * SECOND)
    market.trade_at(T0 + 50 * MINUTE)
    market.gap_of(5)
    market.clock_us = T0 + 64 * SECOND
    market.trade_at(T0 + 64 * SECOND)
    market.watermark(T0 + 5 * MINUTE)

    assert market.incomplete == {0, 1}


def test_trade_within_a_gap_shows_that_the_time_before_it_was_wrong() -> None:
    market = _Market()
    market.trade_at(T0)
    market.trade_at(T0 + 50 * MINUTE)
    market.gap_of(8)
    market.trade_of(5, T0 + 6 * SECOND)
    market.clock_us = T0 + 51 * MINUTE
    market.trade_at(T0 + 51 * MINUTE)
    market.watermark(T0 + 55 * MINUTE)

    assert market.incomplete >= {0, 50, 51}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_market_ahead_is_trusted_after_a_restart_as_before(*, is_restarted: bool) -> None:
    market = _Market()
    for minute in range(10, 20):
        market.trade_at(T0 + minute * MINUTE)
    if is_restarted:
        market.restart()
    market.trade_at(T0 + 20 * MINUTE)
    market.gap_of(5)
    market.trade_at(T0 + 19 * MINUTE + 30 * SECOND)
    market.trade_at(T0 + 21 * MINUTE)
    market.watermark(T0 + 50 * MINUTE)

    assert market.incomplete == {19, 20}
