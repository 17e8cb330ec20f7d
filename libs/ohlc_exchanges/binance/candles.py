"""Binance's own candles: REST ``klines``, 1000 a call, a row for empty windows too."""

from collections.abc import Iterator
from decimal import Decimal

from ohlc_core.domain.interval import Interval
from ohlc_exchanges.base import Fetch, OfficialCandle, Request
from ohlc_exchanges.candles import candle_rows, ohlcv

# Binance's weeks begin on Monday, as those of 1w@monday.
_NAMES = {
    text: text
    for text in ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
} | {"1w@monday": "1w"}


def official_candles(
    symbol: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    """Yield the candles of the period.

    Raises:
        ValueError: Binance has none of this interval.
    """
    if interval.text not in _NAMES:
        raise ValueError(f"Binance has no candles of {interval.text}")
    begin = from_ms
    while begin < to_ms:
        params = {
            "symbol": symbol,
            "interval": _NAMES[interval.text],
            "startTime": str(begin),
            "endTime": str(to_ms - 1),
            "limit": "1000",
        }
        rows = candle_rows(fetch(Request("/api/v3/klines", params)).body)
        if not rows:
            return
        for row in rows:
            counted = {"trade_count": Decimal(row[8]), "buy_volume": Decimal(row[9])}
            yield row[0], ohlcv(*row[1:6]) | counted
        begin = rows[-1][0] + interval.us // 1_000
