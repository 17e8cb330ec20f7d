"""Which candles the console shows."""

from collections.abc import Sequence

from ohlc_core.domain.candle import Candle


def shown_candles(candles: Sequence[Candle], *, write_incomplete: bool) -> list[Candle]:
    """Return what is shown: complete candles and corrections, others where they are asked for.

    A store that keeps nothing does not know which windows it holds.
    """
    return [each for each in candles if each.complete or each.revision or write_incomplete]
