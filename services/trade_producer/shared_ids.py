"""Contiguity where all products share one sequence of ids, which therefore reveals no gap.

After every (re)connection the stream waits for history's overlap before it goes on. A trade that
came live keeps its own time where history holds it too, since history's times may be cut off.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

import msgspec

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.recent_trades import RecentTrades
from trade_producer.stream_outputs import Append, Buffered, Missing, Output, runs
from trade_producer.trade_stream import StreamState, TradeStream


class SharedIdStream(TradeStream):
    """See `TradeStream`. Live trades are buffered until history has overlapped them.

    Args:
        max_buffered: see `TradeStream`.
        history_time_us: history's times are cut off to multiples of this.
    """

    def __init__(self, max_buffered: int = 100_000, history_time_us: int = 1) -> None:
        super().__init__(max_buffered)
        self._history_time_us = history_time_us
        self._seen = RecentTrades()
        self._buffer_overflowed = False

    def resume(self, position: Position, recent: Sequence[Position] = ()) -> None:
        """Go on after the last trade in the topic."""
        self.state = StreamState.CATCHING_UP
        if not recent:
            self._move_to(position)
            return
        known = {int(trade.trade_id): trade.timestamp_us for trade in recent}
        self._last_id = max(known)
        self._last = Position(str(self._last_id), known[self._last_id])
        self._seen.start_after(min(known))
        for trade_id, time_us in known.items():
            self._seen.add(trade_id, time_us)

    @property
    def missing(self) -> Missing | None:
        """Return what history should be asked for: always up to its newest trade."""
        return None if self.is_current else Missing(self._last, self._from_us, None)

    def reported_newest(self, trade_id: int) -> None:
        """Do nothing: a shared id says nothing about this product."""

    def live(self, trades: Sequence[Trade]) -> list[Output]:
        """Append new trades, or buffer them until history has overlapped."""
        seen = [Buffered("websocket", trade) for trade in trades]
        fresh = [each for each in seen if self._is_new(each)]
        if self.is_current:
            return list(self._take(fresh))
        for each in fresh:
            if len(self._buffer) < self._max_buffered:
                self._buffer[int(each.trade.trade_id)] = each
            else:
                self._buffer_overflowed = True
        return []

    def history(self, trades: Sequence[Trade]) -> list[Output]:
        """Append the new trades of a page."""
        if not trades:
            return []
        timed = self._timed(trades)
        if self._last is None:
            self._find_base(timed)
        outputs = [] if self._has_begun else self._append_start(self._from_us)
        return outputs + list(self._take([each for each in timed if self._is_new(each)]))

    def history_ended(self, *, is_newest: bool) -> list[Output]:
        """Append what is buffered once history reached its newest trade."""
        outputs = [] if self._has_begun else self._append_start(self._from_us)
        if is_newest:
            outputs += self._append_buffer()
        return outputs

    def give_up(self, reach: int = 0) -> list[Output]:
        """Go on with what is buffered; a new start says that trades before it may be missing."""
        if not self._buffer:
            return []
        first = self._buffer[min(self._buffer)].trade
        return [*self._append_start(first.timestamp_us + 1), *self._append_buffer()]

    def _is_new(self, timed: Buffered) -> bool:
        is_new = not self._is_before(timed) and self._seen.is_new(int(timed.trade.trade_id))
        self.dropped += not is_new
        return is_new

    def _is_before(self, timed: Buffered) -> bool:
        """Return whether the trade is before the beginning, as far as its time says."""
        unit = 1 if timed.source == "websocket" else self._history_time_us
        return timed.trade.timestamp_us // unit < self._from_us // unit

    def _find_base(self, timed: Sequence[Buffered]) -> None:
        """Take the trades before the beginning as known."""
        before = [each.trade for each in takewhile(self._is_before, timed)]
        if before:
            self._move_to(Position(before[-1].trade_id, before[-1].timestamp_us))

    def _timed(self, trades: Sequence[Trade]) -> list[Buffered]:
        """Return a page's trades, and those that came live between them, with the best times.

        Ids ascend with time, so a trade that history alone holds is no earlier than the trade
        before it: within what was cut off, it takes that one's time.
        """
        page = {int(trade.trade_id): Buffered("rest", trade) for trade in trades}
        last_id = max(page)
        page |= {id_: each for id_, each in self._buffer.items() if id_ <= last_id}
        found = []
        before_us = 0
        for trade_id in sorted(page):
            source, trade = page[trade_id]
            if self._last is not None and trade_id > self._last_id:
                before_us = max(before_us, self._last.timestamp_us)
            if source == "rest":
                trade = self._not_before(before_us, trade)
            known_us = self._seen.time_us(trade_id)
            before_us = trade.timestamp_us if known_us is None else known_us
            found.append(Buffered(source, trade))
        return found

    def _not_before(self, before_us: int, trade: Trade) -> Trade:
        unit = self._history_time_us
        if before_us <= trade.timestamp_us or before_us // unit != trade.timestamp_us // unit:
            return trade
        return msgspec.structs.replace(trade, timestamp_us=before_us)

    def _append_buffer(self) -> list[Output]:
        taken = [self._buffer[key] for key in sorted(self._buffer)]
        self._buffer.clear()
        self.state = StreamState.CATCHING_UP if self._buffer_overflowed else StreamState.CURRENT
        self._buffer_overflowed = False
        return list(self._take(taken))

    def _take(self, taken: Sequence[Buffered]) -> Iterator[Append]:
        for each in taken:
            self._note(each.trade)
        return runs(taken)

    def _note(self, trade: Trade) -> None:
        trade_id = int(trade.trade_id)
        self._seen.add(trade_id, trade.timestamp_us)
        self._buffer.pop(trade_id, None)
        if self._last is None or trade_id > self._last_id:
            self._last = Position(trade.trade_id, trade.timestamp_us)
            self._last_id = trade_id

    def _move_to(self, position: Position) -> None:
        super()._move_to(position)
        self._seen.start_after(self._last_id)
