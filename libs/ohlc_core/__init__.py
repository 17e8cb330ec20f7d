"""What every service shares: the domain, the wire messages, settings, Kafka plumbing, runtime.

The names below are the public face for programs of your own (docs/embedding.md). They are imported
when they are first used, so that no service loads what it does not need.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ohlc_core.domain.candle import Candle
    from ohlc_core.domain.interval import Interval
    from ohlc_core.domain.output import Output, Rejected
    from ohlc_core.domain.product_candles import ProductCandles
    from ohlc_core.domain.rules import CandleRules
    from ohlc_core.domain.state import MemoryStore, StateStore
    from ohlc_core.domain.trade import ProductKey, Trade

__all__ = [
    "Candle",
    "CandleRules",
    "Interval",
    "MemoryStore",
    "Output",
    "ProductCandles",
    "ProductKey",
    "Rejected",
    "StateStore",
    "Trade",
]

_MODULES = {
    "Candle": "candle",
    "CandleRules": "rules",
    "Interval": "interval",
    "MemoryStore": "state",
    "Output": "output",
    "ProductCandles": "product_candles",
    "ProductKey": "trade",
    "Rejected": "output",
    "StateStore": "state",
    "Trade": "trade",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ohlc_core.domain.{_MODULES[name]}"), name)
