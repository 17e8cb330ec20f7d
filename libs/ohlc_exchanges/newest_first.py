"""History that comes newest first, below a cursor of ids, walked upwards in ascending pages."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Malformed, MalformedResponseError, Page


class IdPage(NamedTuple):
    """The rows below a cursor.

    Attributes:
        trades: those that are trades, ascending.
        ids: of all rows whose id can be read, ascending; those of rejected rows too.
        rejected: the rows that are no trades.
    """

    trades: Sequence[Trade]
    ids: Sequence[int]
    rejected: Sequence[Malformed] = ()


#: Returns the newest ``limit`` rows whose id is less than the cursor (None: the newest of all).
Before = Callable[[int | None, int], IdPage]

# A jump of ids is walked over in spans that double this often at most (a billion pages).
_MAX_DOUBLINGS = 30


class DescendingHistory:
    """One product's history, where ids count up by one.

    Args:
        before: asks the exchange.
        limit: trades a page.
    """

    def __init__(self, before: Before, limit: int) -> None:
        self._ask = before
        self._limit = limit

    def pages_after(self, last_id: int) -> Iterator[Page]:
        """Yield every trade with a greater id; the last page is empty."""
        while True:
            page = _newer(self._before(last_id + 1 + self._limit), last_id)
            if not page.ids:
                page = self._over_a_jump(last_id)
            if not page.ids:
                yield Page((), more=False)
                return
            yield Page(tuple(page.trades), more=True, rejected=tuple(page.rejected))
            last_id = page.ids[-1]

    def pages_from_time(self, from_us: int) -> Iterator[Page]:
        """Yield every trade at or after the time, and a few before; the last page is empty."""
        head = self._before(None)
        if not head.trades:
            yield Page((), more=False)
            return
        yield from self.pages_after(self._id_before(from_us, head.trades))

    def _before(self, cursor: int | None, limit: int | None = None) -> IdPage:
        page = self._ask(cursor, limit or self._limit)
        if cursor is not None and page.ids and page.ids[-1] >= cursor:
            raise MalformedResponseError(
                f"history was asked for ids below {cursor} and answered with {page.ids[-1]}"
            )
        return page

    def _over_a_jump(self, last_id: int) -> IdPage:
        """Return the next trades behind a jump of ids larger than a page; none at the end."""
        head = _newer(self._before(None), last_id)
        if not head.ids or head.ids[0] <= last_id + 1:
            return head
        newest = head.ids[-1]
        for doubling in range(1, _MAX_DOUBLINGS):
            cursor = last_id + 1 + (self._limit << doubling)
            if cursor > newest:
                break
            page = _newer(self._before(cursor), last_id)
            if page.ids:
                return self._walk_down(page, last_id)
        return self._walk_down(head, last_id)

    def _walk_down(self, page: IdPage, last_id: int) -> IdPage:
        pages = [page]
        while pages[-1].ids[0] > last_id + 1:
            older = _newer(self._before(pages[-1].ids[0]), last_id)
            if not older.ids:
                break
            pages.append(older)
        pages.reverse()
        return IdPage(
            [trade for each in pages for trade in each.trades],
            [trade_id for each in pages for trade_id in each.ids],
            [row for each in pages for row in each.rejected],
        )

    def _id_before(self, from_us: int, head: Sequence[Trade]) -> int:
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
        if found.ids and not found.trades:
            found = self._before(trade_id + 1)  # the one row is no trade: look further down
        return found.trades[-1] if found.trades else None


def _newer(page: IdPage, last_id: int) -> IdPage:
    return IdPage(
        [trade for trade in page.trades if int(trade.trade_id) > last_id],
        [trade_id for trade_id in page.ids if trade_id > last_id],
        page.rejected,
    )
