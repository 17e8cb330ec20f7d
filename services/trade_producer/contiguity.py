"""Contiguity: from what the exchange sends and what its history holds, every trade once, in order.

Pure: no clock, no network. `ProductStream` is told what was seen and answers with what to append
and with what it still misses; fetching, waiting and retrying belong to its caller.

Where ids count up by one (``dense``), the next id is appended, an earlier one is dropped as
known, and a later one is parked until history has filled the hole before it. Where ids are shared
between products they reveal no hole: after every (re)connection the stream waits for history's
overlap before it goes on.
"""

from collections.abc import Iterable, Sequence

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.recent_ids import RecentIds
from trade_producer.stream_outputs import (
    Append,
    Begin,
    Gap,
    Missing,
    Output,
    Parked,
    Source,
    runs,
)


class ProductStream:
    """The trades of one product, from a position in the topic or from a moment on.

    Args:
        dense: whether ids count up by one within the product.
        max_parked: how many trades may wait behind a hole. Beyond it new ones are let go, to be
            fetched from history once the hole is closed.

    Attributes:
        dropped: trades dropped because they were known.
        holes: holes that opened.
        filled: holes that closed without a gap.
        unresolved: ids given up in `Gap` outputs.
    """

    def __init__(self, *, dense: bool, max_parked: int = 100_000) -> None:
        self.dropped = 0
        self.holes = 0
        self.filled = 0
        self.unresolved = 0
        self._dense = dense
        self._max_parked = max_parked
        self._last: Position | None = None
        self._last_id = 0
        self._from_us = 0
        self._begun = False
        self._awaits_first = False
        self._parked: dict[int, Parked] = {}
        self._let_go = False
        self._proven = False
        self._hole_open = False
        self._told_id = 0
        self._told_in_vain = 0
        self._seen = RecentIds()

    # --- where it begins -----------------------------------------------------------------

    def resume(self, position: Position, recent_ids: Sequence[int] = ()) -> None:
        """Go on after the last trade in the topic.

        Args:
            position: that trade.
            recent_ids: ids of the trades that end the topic; where ids reveal no hole, an unseen
                one among or behind them is new.
        """
        self._begun = True
        if not self._dense and recent_ids:
            newest = max(recent_ids)
            self._last, self._last_id = Position(str(newest), position.timestamp_us), newest
            self._seen.start_after(min(recent_ids))
            for trade_id in recent_ids:
                self._seen.add(trade_id)
            return
        self._move_to(position)

    def resume_begun(self, from_us: int) -> None:
        """Go on with a stream that began at ``from_us`` and has had no trade yet."""
        self._begun = self._awaits_first = True
        self._from_us = from_us

    def begin(self, from_us: int) -> None:
        """Begin at the moment, with nothing known before it."""
        self._from_us = from_us
        self._awaits_first = True

    # --- what it is -----------------------------------------------------------------------

    @property
    def position(self) -> Position | None:
        """The last trade appended (or given up), None before the first."""
        return self._last

    @property
    def parked(self) -> int:
        """How many trades wait behind a hole."""
        return len(self._parked)

    @property
    def is_current(self) -> bool:
        """Whether everything the exchange has sent so far is appended: no hole, none suspected."""
        return self._begun and self._proven and not self._parked

    @property
    def missing(self) -> Missing | None:
        """What history should be asked for now; None when nothing is known to be missing."""
        if self.is_current:
            return None
        until = min(self._parked) if self._parked and self._dense else None
        return Missing(self._last, self._from_us, until)

    # --- what happens ---------------------------------------------------------------------

    def connected(self) -> None:
        """A subscription began after a time without one: trades may have passed unseen."""
        self._proven = False

    def told_newest(self, trade_id: int) -> None:
        """The exchange said which trade is its newest; one not seen yet may have been dropped.

        What history did not confirm once is not asked for again.
        """
        is_news = trade_id > max(self._last_id, self._told_in_vain)
        if self._dense and self._last is not None and is_news and trade_id not in self._parked:
            self._told_id = trade_id
            self._proven = False

    def live(self, trades: Sequence[Trade]) -> list[Output]:
        """Take trades of one frame, ascending."""
        if not trades:
            return []
        outputs: list[Output] = []
        if self._dense and self._last is None:
            outputs += self._find_base(trades)
        outputs += self._take("websocket", trades)
        is_newest_known = self._last_id == int(trades[-1].trade_id) and not self._parked
        if self._dense and self._begun and is_newest_known and (outputs or not self._let_go):
            # Ids run on up to the newest trade of the frame: nothing passed unseen.
            self._proven, self._let_go = True, False
        return outputs

    def history(self, trades: Sequence[Trade]) -> list[Output]:
        """Take a page of history that was asked for as `missing` said, ascending."""
        outputs: list[Output] = []
        if self._last is None and trades and not self._begun_by_history(trades):
            return outputs
        if not self._begun and trades:
            outputs += self._begin_now(self._from_us)
        outputs += self._take("rest", trades)
        return outputs

    def history_ended(self, *, is_newest: bool) -> list[Output]:
        """History has nothing further.

        Args:
            is_newest: the asking began after the present subscription did, so whatever is newer
                than its last page comes live.
        """
        outputs: list[Output] = []
        if self._last is None and self._dense and self._parked:
            # History ended before the first live trade: stale, so nothing is proven.
            return outputs
        if not self._begun:
            outputs += self._begin_now(self._from_us)
        if is_newest:
            if not self._dense:
                outputs += self._drain_all()
            self._proven = not self._parked
            self._let_go = False
            if self._told_id > self._last_id:
                self._told_in_vain = self._told_id
        return outputs

    def give_up(self, reach: int = 0) -> list[Output]:
        """History can not fill the first hole: name it and go on behind it.

        Args:
            reach: history was asked for everything up to this id in vain, so further holes that
                end before it are given up too.
        """
        outputs: list[Output] = []
        if not self._parked:
            return outputs
        first_id = min(self._parked)
        if self._last is None:
            # Nothing tells how many trades lie before the first live one.
            outputs += self._begin_now(self._parked[first_id].trade.timestamp_us + 1)
            self._last_id = first_id - 1
        if self._dense:
            outputs += self._give_up_holes(first_id, reach)
        else:
            outputs += self._drain_all()
        self._hole_open = False
        self._watch_holes()
        self._proven = not (self._parked or self._let_go)
        self._let_go = self._let_go and bool(self._parked)
        return outputs

    def begin_anew(self, from_us: int) -> list[Output]:
        """What lies before the moment can not be had any more, and has no ids to name it by."""
        self._last = None
        return self._begin_now(from_us)

    # --- how ------------------------------------------------------------------------------

    def _begin_now(self, from_us: int) -> list[Output]:
        self._begun = True
        self._from_us = from_us
        return [Begin(from_us)]

    def _find_base(self, trades: Sequence[Trade]) -> list[Output]:
        """Learn from a frame that reaches back behind the beginning where the ids stand there."""
        before = [trade for trade in trades if trade.timestamp_us < self._from_us]
        if not before:
            return []
        base = before[-1]
        self._move_to(Position(base.trade_id, base.timestamp_us))
        return [] if self._begun else self._begin_now(self._from_us)

    def _begun_by_history(self, trades: Sequence[Trade]) -> bool:
        """Set the position before the first trade at or after the beginning.

        Returns whether the page reaches that far.
        """
        for index, trade in enumerate(trades):
            if trade.timestamp_us >= self._from_us:
                if index:
                    earlier = trades[index - 1]
                    self._move_to(Position(earlier.trade_id, earlier.timestamp_us))
                elif self._dense:
                    self._move_to(Position(str(int(trade.trade_id) - 1), self._from_us))
                return True
        newest = trades[-1]
        self._move_to(Position(newest.trade_id, newest.timestamp_us))
        return True

    def _take(self, source: Source, trades: Iterable[Trade]) -> list[Output]:
        if self._dense:
            return self._take_dense(source, trades)
        fresh = [trade for trade in trades if self._is_new(trade)]
        if not self._proven and source == "websocket":
            for trade in fresh:
                self._park(int(trade.trade_id), source, trade)
            return []
        for trade in fresh:
            self._note(trade)
        return [Append(source, tuple(fresh))] if fresh else []

    def _is_new(self, trade: Trade) -> bool:
        trade_id = int(trade.trade_id)
        is_new = trade.timestamp_us >= self._from_us and self._seen.is_new(trade_id)
        self.dropped += not is_new
        return is_new

    def _note(self, trade: Trade) -> None:
        trade_id = int(trade.trade_id)
        self._seen.add(trade_id)
        self._parked.pop(trade_id, None)
        if self._last is None or trade_id > self._last_id:
            self._last = Position(trade.trade_id, trade.timestamp_us)
            self._last_id = trade_id

    def _take_dense(self, source: Source, trades: Iterable[Trade]) -> list[Output]:
        run: list[Trade] = []
        # What was parked before the beginning's place among the ids was known may run on now.
        outputs = self._drain() if self._last is not None and self._parked else []
        for trade in trades:
            trade_id = int(trade.trade_id)
            if self._is_before_first(trade):
                # The snapshot may be older than the beginning, which these come before too.
                self.dropped += 1
                self._move_to(Position(trade.trade_id, trade.timestamp_us))
            elif self._last is None or trade_id > self._last_id + 1:
                if trade_id in self._parked:
                    self.dropped += 1
                else:
                    self._park(trade_id, source, trade)
            elif trade_id == self._last_id + 1:
                run.append(trade)
                self._awaits_first = False
                self._parked.pop(trade_id, None)
                self._last_id = trade_id
                self._last = Position(trade.trade_id, trade.timestamp_us)
                if trade_id + 1 in self._parked:
                    outputs.append(Append(source, tuple(run)))
                    run = []
                    outputs += self._drain()
            else:
                self.dropped += 1
        if run:
            outputs.append(Append(source, tuple(run)))
        self._watch_holes()
        return outputs

    def _is_before_first(self, trade: Trade) -> bool:
        """Whether nothing is appended yet, and this trade comes before the beginning."""
        return (
            self._awaits_first
            and trade.timestamp_us < self._from_us
            and (self._last is None or int(trade.trade_id) > self._last_id)
        )

    def _park(self, trade_id: int, source: Source, trade: Trade) -> None:
        if len(self._parked) >= self._max_parked:
            self._let_go = True
        else:
            self._parked[trade_id] = Parked(source, trade)

    def _watch_holes(self) -> None:
        is_open = bool(self._parked) and self._last is not None
        self.holes += is_open and not self._hole_open
        self.filled += self._hole_open and not is_open
        self._hole_open = is_open
        if is_open or (self._let_go and not self._parked):
            self._proven = False

    def _drain(self) -> list[Output]:
        """Append what is parked as far as it runs on from the last id."""
        taken: list[Parked] = []
        while (parked := self._parked.pop(self._last_id + 1, None)) is not None:
            taken.append(parked)
            self._last_id += 1
        if taken:
            self._awaits_first = False
            last = taken[-1].trade
            self._last = Position(last.trade_id, last.timestamp_us)
        return list(runs(taken))

    def _drain_all(self) -> list[Output]:
        """Append everything parked, in id order, where ids reveal no hole."""
        taken = [self._parked[key] for key in sorted(self._parked)]
        self._parked.clear()
        for parked in taken:
            self._note(parked.trade)
        return list(runs(taken))

    def _give_up_holes(self, first_id: int, reach: int) -> list[Output]:
        outputs: list[Output] = []
        while self._parked and min(self._parked) <= max(first_id, reach):
            next_id = min(self._parked)
            if next_id > self._last_id + 1:
                outputs.append(self._give_up_until(next_id))
            outputs += self._drain()
        return outputs

    def _give_up_until(self, first_id: int) -> Gap:
        gap = Gap(self._last_id + 1, first_id - 1)
        self.unresolved += gap.last_missing_id - gap.first_missing_id + 1
        known_us = self._from_us if self._last is None else self._last.timestamp_us
        self._move_to(Position(str(gap.last_missing_id), known_us))
        return gap

    def _move_to(self, position: Position) -> None:
        self._last = position
        self._last_id = int(position.trade_id)
        self._seen.start_after(self._last_id)
        if self._parked:
            self._parked = {key: it for key, it in self._parked.items() if key > self._last_id}
