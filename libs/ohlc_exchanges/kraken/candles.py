"""Kraken's own candles: REST ``OHLC``.

It has the newest 720 of an interval. Its vwap is cut to the pair's price decimals, its empty
windows are flat rows with count 0, and the row behind ``last`` is not committed yet.
"""

from collections.abc import Iterator
from decimal import Decimal

from ohlc_core.domain.interval import Interval
from ohlc_exchanges.base import Fetch, OfficialCandle, Request
from ohlc_exchanges.candles import candle_rows, ohlcv
from ohlc_exchanges.kraken.symbols import rest_params

_MINUTE_US = 60_000_000
_MINUTES = (1, 5, 15, 30, 60, 240, 1440, 10080)


def official_candles(
    product_id: str, interval: Interval, from_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    """Yield the candles from ``from_ms`` on.

    Raises:
        ValueError: Kraken has none of this interval.
    """
    minutes = interval.us // _MINUTE_US
    if interval.us % _MINUTE_US or interval.offset_us or minutes not in _MINUTES:
        raise ValueError(f"Kraken has no candles of {interval.text}")
    params = rest_params(product_id) | {
        "interval": str(minutes),
        "since": str(from_ms // 1_000 - 1),
    }
    result = candle_rows(fetch(Request("/0/public/OHLC", params)).body)["result"]
    last = int(result.pop("last"))
    for row in next(iter(result.values())):
        start, open_, high, low, close, average, volume, count = row
        if start > last:
            return
        candle = ohlcv(open_, high, low, close, volume) | {"trade_count": Decimal(count)}
        if count:
            candle["vwap"] = Decimal(average)
        yield start * 1_000, candle
