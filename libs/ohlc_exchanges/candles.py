"""Reading the candles that exchanges publish themselves."""

from decimal import Decimal
from typing import Any

import msgspec

from ohlc_exchanges.decoding import decode_page, number

_decoder = msgspec.json.Decoder(float_hook=Decimal)


def candle_rows(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the body's JSON, its numbers exact.

    Raises:
        MalformedResponseError: it is none.
    """
    return decode_page(_decoder.decode, body, "the exchange's candles")


def ohlcv(open_: Any, high: Any, low: Any, close: Any, volume: Any) -> dict[str, Decimal]:  # noqa: ANN401 - JSON numbers or text
    """Return the five values by the names of a feature row's columns.

    Raises:
        ValueError: one is no plain number.
    """
    names = ("open", "high", "low", "close", "volume")
    return {
        name: number(value)
        for name, value in zip(names, (open_, high, low, close, volume), strict=True)
    }
