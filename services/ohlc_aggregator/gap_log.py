"""The gaps of the trades read so far, with the time they span, for ``/status``."""

from collections import deque
from typing import Any

from ohlc_core.domain.trade import ProductKey
from ohlc_core.messages.records import GapMessage

_KEPT = 100


class GapLog:
    """The last gaps. A gap's span ends with the first trade behind it."""

    def __init__(self) -> None:
        self._gaps: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._open: dict[ProductKey, list[dict[str, Any]]] = {}

    def gap(self, key: ProductKey, message: GapMessage, last_trade_us: int) -> None:
        """Note a gap behind the trade at last_trade_us (0: before any trade)."""
        gap: dict[str, Any] = {
            "exchange": key.exchange,
            "product": key.product_id,
            "first_missing_id": message.first_missing_id,
            "last_missing_id": message.last_missing_id,
            "from_us": last_trade_us or None,
            "to_us": None,
        }
        self._gaps.append(gap)
        self._open.setdefault(key, []).append(gap)

    def trade(self, key: ProductKey, timestamp_us: int) -> None:
        """Note the first trade of a record: it ends the product's open gaps."""
        if key in self._open:
            for gap in self._open.pop(key):
                gap["to_us"] = timestamp_us

    def report(self) -> list[dict[str, Any]]:
        """Return the gaps, oldest first."""
        return [dict(gap) for gap in self._gaps]
