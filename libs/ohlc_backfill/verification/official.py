"""Agreement with the candles that an exchange itself publishes.

Kraken tells the newest 720 of an interval; its vwap is cut to the pair's price decimals, its
empty windows are flat. Coinbase tells 300 a call and nothing for empty windows; Binance 1000.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any

import msgspec

from ohlc_backfill.verification.stored import Span, StoredRows
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import ExchangeError, Fetch, Request
from ohlc_exchanges.kraken.adapter import rest_pair
from ohlc_features.schema import FeatureRow

_MINUTE_US = 60_000_000
_KRAKEN_MINUTES = (1, 5, 15, 30, 60, 240, 1440, 10080)
_COINBASE_SECONDS = (60, 300, 900, 3600, 21600, 86400)
_BINANCE = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode

#: An official candle: the window's start in ms, and what the exchange tells of it.
OfficialCandle = tuple[int, Mapping[str, Decimal]]


class Agreement(msgspec.Struct):
    """How the store's candles of one product and interval agree with the exchange's.

    Attributes:
        compared: candles that both have.
        equal: of them, in every column the exchange tells.
        largest_difference: by column.
        note: why nothing was compared.
    """

    product_id: str
    interval: str
    compared: int = 0
    equal: int = 0
    largest_difference: dict[str, float] = msgspec.field(default_factory=dict)
    note: str = ""


def agreement(
    stored: StoredRows, key: ProductKey, interval: Interval, period: Span, fetch: Fetch
) -> Agreement:
    """Compare the store's candles with the exchange's own of the period."""
    from_ms, to_ms = period
    result = Agreement(key.product_id, interval.text)
    candles = _SOURCES.get(key.exchange)
    if candles is None:
        result.note = f"{key.exchange} candles are not compared"
        return result
    try:
        for start_ms, official in candles(key.product_id, interval, from_ms, to_ms, fetch):
            if from_ms <= start_ms and start_ms + interval.us // 1_000 <= to_ms:
                rows = stored.between(key, interval.text, start_ms, start_ms + 1)
                _compare(result, official, rows)
    except (ExchangeError, msgspec.MsgspecError, ValueError, LookupError, TypeError) as error:
        result.note = f"the exchange's candles could not be had: {error}"
    if not result.compared and not result.note:
        result.note = "the exchange has none of the period"
    return result


def _compare(
    result: Agreement, official: Mapping[str, Decimal], rows: Sequence[FeatureRow]
) -> None:
    if not rows:
        # A window without trades is no row here and a flat candle there.
        if official.get("trade_count", official["volume"]) != 0:
            result.compared += 1
        return
    (row,) = rows
    result.compared += 1
    is_equal = True
    for name, value in official.items():
        ours = getattr(row, name)
        is_same = _is_cut(ours, value) if name == "vwap" else ours == float(value)
        if not is_same:
            is_equal = False
            difference = abs(ours - float(value))
            largest = result.largest_difference
            largest[name] = max(largest.get(name, 0.0), difference)
    result.equal += is_equal


def _is_cut(ours: float, official: Decimal) -> bool:
    """Tell whether the official number is ours with the decimals cut off.

    Ours is rounded itself, to 12 digits, so that a hair to either side of a step is the same.
    """
    number = Decimal(repr(ours))
    hair = number.scaleb(-11)
    return official in {
        (number + way).quantize(official, ROUND_DOWN) for way in (-hair, Decimal(0), hair)
    }


def _kraken(
    product_id: str, interval: Interval, from_ms: int, _to_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    minutes = interval.us // _MINUTE_US
    if interval.us % _MINUTE_US or minutes not in _KRAKEN_MINUTES:
        raise ValueError(f"Kraken has no candles of {interval.text}")
    params = {
        "pair": rest_pair(product_id),
        "interval": str(minutes),
        "since": str(from_ms // 1_000 - 1),
    }
    result = _decode(fetch(Request("/0/public/OHLC", params)).body)["result"]
    last = int(result.pop("last"))
    for row in next(iter(result.values())):
        start, open_, high, low, close, average, volume, count = row
        if start > last:
            return  # not committed yet
        candle = _ohlcv(open_, high, low, close, volume) | {"trade_count": Decimal(count)}
        if count:
            candle["vwap"] = Decimal(average)
        yield start * 1_000, candle


def _coinbase(
    product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    seconds = interval.us // 1_000_000
    if seconds not in _COINBASE_SECONDS:
        raise ValueError(f"Coinbase has no candles of {interval.text}")
    path = f"/products/{product_id.replace('/', '-')}/candles"
    begin = from_ms // 1_000 // seconds * seconds
    while begin * 1_000 < to_ms:
        end = begin + 299 * seconds
        params = {"granularity": str(seconds), "start": str(begin), "end": str(end)}
        for start, low, high, open_, close, volume in reversed(
            _decode(fetch(Request(path, params)).body)
        ):
            yield start * 1_000, _ohlcv(open_, high, low, close, volume)
        begin = end + seconds


def _binance(
    product_id: str, interval: Interval, from_ms: int, to_ms: int, fetch: Fetch
) -> Iterator[OfficialCandle]:
    if interval.text not in _BINANCE:
        raise ValueError(f"Binance has no candles of {interval.text}")
    symbol = product_id.replace("/", "").replace("-", "").upper()
    begin = from_ms
    while begin < to_ms:
        params = {
            "symbol": symbol,
            "interval": interval.text,
            "startTime": str(begin),
            "endTime": str(to_ms - 1),
            "limit": "1000",
        }
        rows = _decode(fetch(Request("/api/v3/klines", params)).body)
        if not rows:
            return
        for row in rows:
            candle = _ohlcv(*row[1:6])
            yield (
                row[0],
                candle
                | {
                    "trade_count": Decimal(row[8]),
                    "buy_volume": Decimal(row[9]),
                },
            )
        begin = rows[-1][0] + interval.us // 1_000


def _ohlcv(open_: Any, high: Any, low: Any, close: Any, volume: Any) -> dict[str, Decimal]:  # noqa: ANN401 - JSON numbers or text
    names = ("open", "high", "low", "close", "volume")
    return {
        name: Decimal(value)
        for name, value in zip(names, (open_, high, low, close, volume), strict=True)
    }


_Candles = Callable[[str, Interval, int, int, Fetch], Iterator[OfficialCandle]]
_SOURCES: dict[str, _Candles] = {"kraken": _kraken, "coinbase": _coinbase, "binance": _binance}
