"""What a record of the ``trades`` topic leads to."""

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.trade import Trade


class Rejected(msgspec.Struct, frozen=True):
    """A trade that could not be counted, wholly or for some intervals."""

    trade: Trade
    reason: str
    detail: str


class Output(msgspec.Struct):
    """What one record, or a part of one, led to, in order."""

    candles: list[Candle] = msgspec.field(default_factory=list)
    rejected: list[Rejected] = msgspec.field(default_factory=list)
    duplicates: int = 0
    late: int = 0
