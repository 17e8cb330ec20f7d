"""Agreement with the candles that an exchange itself publishes.

How each exchange publishes them is in its folder of `ohlc_exchanges`.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

import msgspec

from ohlc_backfill.verification.stored import StoredCandles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import DECODE_ERRORS, ExchangeError, Fetch
from ohlc_exchanges.registry import adapter_for
from ohlc_features.reading.source import Span
from ohlc_features.schema import FeatureRow

#: Whether the window [start, end), in microseconds, is whole: no gap touches it.
IsJudged = Callable[[int, int], bool]


class Agreement(msgspec.Struct):
    """How the store's candles of one product and interval agree with the exchange's.

    Attributes:
        compared: candles that both have.
        equal: of them, in every column the exchange reports.
        in_gaps: candles of the exchange's that a gap in the trades touches and that the store
            therefore lacks; no difference.
        largest_difference: by column.
        note: why nothing was compared.
    """

    product_id: str
    interval: str
    compared: int = 0
    equal: int = 0
    in_gaps: int = 0
    largest_difference: dict[str, float] = msgspec.field(default_factory=dict)
    note: str = ""


def agreement(
    stored: StoredCandles,
    key: ProductKey,
    interval: Interval,
    period: Span,
    fetch: Fetch,
    *,
    is_judged: IsJudged = lambda _start_us, _end_us: True,
) -> Agreement:
    """Compare the store's candles with the exchange's own of the period.

    ``is_judged`` is False for windows that a gap touches: the store need not hold those.
    """
    from_ms, to_ms = period
    result = Agreement(key.product_id, interval.text)
    adapter = adapter_for(key.exchange)
    try:
        candles = adapter.official_candles(key.product_id, interval, from_ms, to_ms, fetch)
        if candles is None:
            result.note = f"{key.exchange} candles are not compared"
            return result
        for start_ms, official in candles:
            if from_ms <= start_ms and start_ms + interval.us // 1_000 <= to_ms:
                rows = stored.between(key, interval.text, start_ms, start_ms + 1)
                start_us = start_ms * 1_000
                if not rows and not is_judged(start_us, start_us + interval.us):
                    result.in_gaps += 1
                else:
                    _compare(result, official, rows)
    except (ExchangeError, TypeError, *DECODE_ERRORS) as error:
        result.note = f"the exchange's candles could not be retrieved: {error}"
    if not result.compared and not result.in_gaps and not result.note:
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
    """Return whether the official number is ours with the decimals cut off.

    Ours is rounded itself, to 12 digits, so that a hair to either side of a step is the same.
    """
    number = Decimal(repr(ours))
    hair = number.scaleb(-11)
    return official in {
        (number + way).quantize(official, ROUND_DOWN) for way in (-hair, Decimal(0), hair)
    }
