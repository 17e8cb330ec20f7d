"""Coinbase's own candles: 300 a call, newest first, low before high, none for empty windows."""

from collections.abc import Iterator

from ohlc_core.domain.interval import Interval
from ohlc_exchanges.base import Fetch, OfficialCandle, Request
from ohlc_exchanges.candles import candle_rows, ohlcv

_SECONDS = (60, 300, 900, 3600, 21600, 86400)
_PAGE = 300


def official_candles(
    symbol: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    """Yield the candles of the period.

    Raises:
        ValueError: Coinbase has none of this interval.
    """
    seconds = interval.us // 1_000_000
    if seconds not in _SECONDS:
        raise ValueError(f"Coinbase has no candles of {interval.text}")
    path = f"/products/{symbol}/candles"
    begin = from_ms // 1_000 // seconds * seconds
    while begin * 1_000 < to_ms:
        end = begin + (_PAGE - 1) * seconds
        params = {"granularity": str(seconds), "start": str(begin), "end": str(end)}
        for row in reversed(candle_rows(fetch(Request(path, params)).body)):
            start, low, high, open_, close, volume = row
            yield start * 1_000, ohlcv(open_, high, low, close, volume)
        begin = end + seconds
