"""Contiguity where all products share one sequence of ids, which therefore reveals no gap.

After every (re)connection the stream waits for history's overlap before it goes on.
"""

from collections.abc import Sequence
from itertools import takewhile

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.recent_ids import RecentIds
from trade_producer.stream_outputs import Append, Buffered, Missing, Output, Source, runs
from trade_producer.trade_stream import StreamState, TradeStream


class SharedIdStream(TradeStream):
    """See `TradeStream`. Live trades are buffered until history has overlapped them."""

    def __init__(self, max_buffered: int = 100_000) -> None:
        super().__init__(max_buffered)
        self._seen = RecentIds()
        self._buffer_overflowed = False

    def resume(self, position: Position, recent_ids: Sequence[int] = ()) -> None:
        """Go on after the last trade in the topic."""
        self.state = StreamState.CATCHING_UP
        if not recent_ids:
            self._move_to(position)
            return
        self._last_id = max(recent_ids)
        self._last = Position(str(self._last_id), position.timestamp_us)
        self._seen.start_after(min(recent_ids))
        for trade_id in recent_ids:
            self._seen.add(trade_id)

    @property
    def missing(self) -> Missing | None:
        """Return what history should be asked for: always up to its newest trade."""
        return None if self.is_current else Missing(self._last, self._from_us, None)

    def reported_newest(self, trade_id: int) -> None:
        """Do nothing: a shared id says nothing about this product."""

    def live(self, trades: Sequence[Trade]) -> list[Output]:
        """Append new trades, or buffer them until history has overlapped."""
        fresh = [trade for trade in trades if self._is_new(trade)]
        if self.is_current:
            return self._append("websocket", fresh)
        for trade in fresh:
            if len(self._buffer) < self._max_buffered:
                self._buffer[int(trade.trade_id)] = Buffered("websocket", trade)
            else:
                self._buffer_overflowed = True
        return []

    def history(self, trades: Sequence[Trade]) -> list[Output]:
        """Append the new trades of a page."""
        if not trades:
            return []
        if self._last is None:
            self._find_base(trades)
        outputs = [] if self._has_begun else self._append_start(self._from_us)
        return outputs + self._append("rest", [trade for trade in trades if self._is_new(trade)])

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

    def _is_new(self, trade: Trade) -> bool:
        is_new = trade.timestamp_us >= self._from_us and self._seen.is_new(int(trade.trade_id))
        self.dropped += not is_new
        return is_new

    def _find_base(self, trades: Sequence[Trade]) -> None:
        """Take the trades before the beginning as known."""
        before = list(takewhile(lambda trade: trade.timestamp_us < self._from_us, trades))
        if before:
            self._move_to(Position(before[-1].trade_id, before[-1].timestamp_us))

    def _append(self, source: Source, fresh: Sequence[Trade]) -> list[Output]:
        for trade in fresh:
            self._note(trade)
        return [Append(source, tuple(fresh))] if fresh else []

    def _append_buffer(self) -> list[Output]:
        taken = [self._buffer[key] for key in sorted(self._buffer)]
        self._buffer.clear()
        for buffered in taken:
            self._note(buffered.trade)
        self.state = StreamState.CATCHING_UP if self._buffer_overflowed else StreamState.CURRENT
        self._buffer_overflowed = False
        return list(runs(taken))

    def _note(self, trade: Trade) -> None:
        trade_id = int(trade.trade_id)
        self._seen.add(trade_id)
        self._buffer.pop(trade_id, None)
        if self._last is None or trade_id > self._last_id:
            self._last = Position(trade.trade_id, trade.timestamp_us)
            self._last_id = trade_id

    def _move_to(self, position: Position) -> None:
        super()._move_to(position)
        self._seen.start_after(self._last_id)
