"""History that is told newest first, below a cursor of ids, walked upwards in ascending pages."""

from collections.abc import Callable, Iterator

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Page

#: Returns, ascending, the newest ``limit`` trades whose id is less than the cursor (None: all).
Before = Callable[[int | None, int], list[Trade]]

# A jump of ids is walked over in spans that double this often at most (a billion pages).
_MOST_DOUBLINGS = 30


class DescendingHistory:
    """One product's history, where ids count up by one.

    Args:
        before: asks the exchange.
        limit: trades a page.
    """

    def __init__(self, before: Before, limit: int) -> None:
        self._before = before
        self._limit = limit

    def pages_after(self, last_id: int) -> Iterator[Page]:
        """Yield every trade with a greater id; the last page is empty."""
        while True:
            new = _newer(self._before(last_id + 1 + self._limit, self._limit), last_id)
            if not new:
                new = self._over_a_jump(last_id)
            if not new:
                yield Page((), more=False)
                return
            yield Page(tuple(new), more=True)
            last_id = int(new[-1].trade_id)

    def pages_from_time(self, from_us: int) -> Iterator[Page]:
        """Yield every trade at or after the time, and a few before; the last page is empty."""
        head = self._before(None, self._limit)
        if not head:
            yield Page((), more=False)
            return
        yield from self.pages_after(self._id_before(from_us, head))

    def _over_a_jump(self, last_id: int) -> list[Trade]:
        """Return the next trades behind a jump of ids larger than a page; none at the end."""
        head = _newer(self._before(None, self._limit), last_id)
        if not head or int(head[0].trade_id) <= last_id + 1:
            return head
        newest = int(head[-1].trade_id)
        for doubling in range(1, _MOST_DOUBLINGS):
            cursor = last_id + 1 + (self._limit << doubling)
            if cursor > newest:
                break
            if new := _newer(self._before(cursor, self._limit), last_id):
                return self._walk_down(new, last_id)
        return self._walk_down(head, last_id)

    def _walk_down(self, trades: list[Trade], last_id: int) -> list[Trade]:
        while int(trades[0].trade_id) > last_id + 1:
            older = _newer(self._before(int(trades[0].trade_id), self._limit), last_id)
            if not older:
                return trades
            trades = older + trades
        return trades

    def _id_before(self, from_us: int, head: list[Trade]) -> int:
        """Return an id, not far below, whose trade and all before it are earlier than the time."""
        if head[0].timestamp_us < from_us:
            return int(head[0].trade_id)
        # The first probes double their distance; between the last two of them it is halved.
        above, span = int(head[0].trade_id), self._limit
        below = above - span
        while (trade := self._at(below)) is not None and trade.timestamp_us >= from_us:
            above, span = int(trade.trade_id), span * 2
            below = above - span
        if trade is None:
            below = 0
        while above - below > self._limit:
            middle = (above + below) // 2
            trade = self._at(middle)
            if trade is not None and trade.timestamp_us >= from_us:
                above = min(middle, int(trade.trade_id))
            else:
                below = middle
        return below

    def _at(self, trade_id: int) -> Trade | None:
        """Return the trade with the id, or the nearest before it."""
        if trade_id < 0:
            return None
        found = self._before(trade_id + 1, 1)
        return found[-1] if found else None


def _newer(trades: list[Trade], last_id: int) -> list[Trade]:
    return [trade for trade in trades if int(trade.trade_id) > last_id]
