"""The ordered trades of one product, kept in columns: about 33 bytes a trade."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple


class Row(NamedTuple):
    """One trade. Price and quantity are integers in the product's units of 10^-decimals.

    Attributes:
        trade_id: the exchange's id; ascending within a product.
        is_sell: whether the taker sold.
        is_market: whether the taker's order was a market order.
        time_ns: event time, nanoseconds since the Unix epoch; never descending.
    """

    trade_id: int
    price: int
    quantity: int
    is_sell: bool
    is_market: bool
    time_ns: int


class TradeLog:
    """Every trade that has happened, by index, id and time.

    Attributes:
        withheld: indexes that no public answer may show.
    """

    def __init__(self) -> None:
        self._ids = array("q")
        self._prices = array("q")
        self._quantities = array("q")
        self._flags = array("b")
        self._times = array("q")
        self.withheld: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def append(self, row: Row) -> None:
        """Add the newest trade."""
        self._ids.append(row.trade_id)
        self._prices.append(row.price)
        self._quantities.append(row.quantity)
        self._flags.append(row.is_sell | row.is_market << 1)
        self._times.append(row.time_ns)

    def row(self, index: int) -> Row:
        """Return the trade at ``index``."""
        flags = self._flags[index]
        return Row(
            self._ids[index],
            self._prices[index],
            self._quantities[index],
            bool(flags & 1),
            bool(flags & 2),
            self._times[index],
        )

    def rows(self, start: int, stop: int) -> Iterator[Row]:
        """Yield the trades ``[start, stop)`` that are not withheld, oldest first."""
        withheld = self.withheld
        for index in range(max(start, 0), min(stop, len(self))):
            if index not in withheld:
                yield self.row(index)

    def newest(self, count: int, stop: int | None = None) -> list[Row]:
        """Return the last ``count`` shown trades before index ``stop``, oldest first."""
        found: list[Row] = []
        index = (len(self) if stop is None else min(stop, len(self))) - 1
        while index >= 0 and len(found) < count:
            if index not in self.withheld:
                found.append(self.row(index))
            index -= 1
        found.reverse()
        return found

    def index_at_time(self, time_ns: int) -> int:
        """Return the index of the first trade at or after a time."""
        return bisect_left(self._times, time_ns)

    def index_at_id(self, trade_id: int) -> int:
        """Return the index of the first trade whose id is at least ``trade_id``."""
        return bisect_left(self._ids, trade_id)

    def index_of(self, trade_id: int) -> int | None:
        """Return the index of a trade, None when there is none with that id."""
        index = self.index_at_id(trade_id)
        return index if index < len(self) and self._ids[index] == trade_id else None
