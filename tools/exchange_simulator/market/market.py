"""The market: products whose trades happen as simulated time passes."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from exchange_simulator.market.products import Product
from exchange_simulator.market.trade_log import Row, TradeLog

#: Each next id of a market with shared ids is 1 to this many above the one before: other pairs,
#: which nobody here watches, trade too.
_SHARED_ID_STEP = 4


class Batch(NamedTuple):
    """Trades of one product that happened together: its log's indexes ``[start, stop)``."""

    product: str
    start: int
    stop: int


class Listing:
    """One product of the market: what has happened (``log``) and what is to come."""

    def __init__(self, product: Product, source: Iterator[Row]) -> None:
        self.product = product
        self.log = TradeLog()
        self._source = source
        self._next = next(source, None)
        self.id_offset = 0

    @property
    def next_time_ns(self) -> int | None:
        """When the next trade happens; None when none is to come."""
        return None if self._next is None else self._next.time_ns

    def happen(self, shared_id: int | None) -> Row:
        """Move the next trade into the log."""
        row = self._next
        if row is None:
            raise IndexError(f"no trade of {self.product.name} is to come")
        if shared_id is not None:
            row = row._replace(trade_id=shared_id)
        elif self.id_offset:
            row = row._replace(trade_id=row.trade_id + self.id_offset)
        self.log.append(row)
        self._next = next(self._source, None)
        return row


class Market:
    """All products, and their trades merged in time order.

    Args:
        listings: the products.
        first_shared_id: when given, ids are drawn from one sequence that all products share (as
            at Bitstamp), so they are not dense within a product.

    Attributes:
        last_time_ns: the time of the newest trade; 0 before any.
    """

    def __init__(self, listings: Sequence[Listing], first_shared_id: int | None = None) -> None:
        self.listings = {listing.product.name: listing for listing in listings}
        self._order = list(listings)
        self._heap = [
            (time_ns, place)
            for place, listing in enumerate(self._order)
            if (time_ns := listing.next_time_ns) is not None
        ]
        heapify(self._heap)
        self._shared_id = first_shared_id
        self._history = 0
        self._released = 0
        self.last_time_ns = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether no trade is to come."""
        return not self._heap

    @property
    def next_time_ns(self) -> int | None:
        """When the next trade happens; None when none is to come."""
        return self._heap[0][0] if self._heap else None

    @property
    def live_trades(self) -> int:
        """How many trades happened since the history ended."""
        return self._released - self._history

    def log(self, product: str) -> TradeLog:
        """Return the trades of a product so far.

        Raises:
            KeyError: the market has no such product.
        """
        return self.listings[product].log

    def make_history(self, until_ns: int | None, limit: int | None = None) -> None:
        """Let trades be past before anyone watches; arguments as of `release`."""
        self.release(until_ns, limit)
        self._history = self._released

    def jump_ids(self, product: str, ids: int) -> None:
        """Leave out ``ids`` trade ids that no trade will ever have."""
        if self._shared_id is not None:
            self._shared_id += ids
        self.listings[product].id_offset += ids

    def release(self, until_ns: int | None, limit: int | None = None) -> list[Batch]:
        """Let trades happen up to and including a time (None: any), at most ``limit`` of them."""
        starts: dict[str, int] = {}
        heap = self._heap
        count = 0
        while heap and (limit is None or count < limit):
            time_ns, place = heap[0]
            if until_ns is not None and time_ns > until_ns:
                break
            listing = self._order[place]
            starts.setdefault(listing.product.name, len(listing.log))
            self._happen(listing, time_ns)
            self.last_time_ns = time_ns
            count += 1
            heappop(heap)
            if (following := listing.next_time_ns) is not None:
                heappush(heap, (following, place))
        self._released += count
        return [Batch(name, start, len(self.listings[name].log)) for name, start in starts.items()]

    def _happen(self, listing: Listing, time_ns: int) -> None:
        if self._shared_id is not None:
            self._shared_id += 1 + time_ns // 1000 % _SHARED_ID_STEP
        listing.happen(self._shared_id)
