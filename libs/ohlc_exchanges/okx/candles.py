"""OKX's own candles: REST ``history-candles``, newest first, 100 a call."""

from collections.abc import Iterator

from ohlc_core.domain.interval import Interval
from ohlc_exchanges.base import Fetch, OfficialCandle, Request
from ohlc_exchanges.candles import candle_rows, ohlcv

# Those of six hours and more begin at midnight in Hong Kong, unless UTC is asked for.
_BARS = {
    **{text: text for text in ("1s", "1m", "3m", "5m", "15m", "30m")},
    **{"1h": "1H", "2h": "2H", "4h": "4H", "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"},
    "1w@monday": "1Wutc",
}


def official_candles(
    symbol: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    """Yield the candles of the period, newest first.

    Raises:
        ValueError: OKX has none of this interval, or its pages do not advance.
    """
    if interval.text not in _BARS:
        raise ValueError(f"OKX has no candles of {interval.text}")
    end = to_ms
    while end > from_ms:
        params = {"instId": symbol, "bar": _BARS[interval.text], "after": str(end), "limit": "100"}
        rows = candle_rows(fetch(Request("/api/v5/market/history-candles", params)).body)["data"]
        for row in rows:
            if row[8] == "1":  # confirmed: the window has ended
                yield int(row[0]), ohlcv(*row[1:6])
        if not rows:
            return
        oldest = int(rows[-1][0])
        if oldest >= end:
            raise ValueError("OKX's pages of candles do not advance")
        end = oldest
