"""Reading the candles that exchanges publish themselves."""

from decimal import Decimal
from typing import Any

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)


def candle_rows(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the body's JSON, its numbers exact."""
    return _decoder.decode(body)


def ohlcv(open_: Any, high: Any, low: Any, close: Any, volume: Any) -> dict[str, Decimal]:  # noqa: ANN401 - JSON numbers or text
    """Return the five values by the names of a feature row's columns."""
    names = ("open", "high", "low", "close", "volume")
    return {
        name: Decimal(value)
        for name, value in zip(names, (open_, high, low, close, volume), strict=True)
    }
