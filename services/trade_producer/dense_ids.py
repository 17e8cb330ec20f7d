"""Contiguity where ids count up by one within a product, so that they reveal every gap.

The next id is appended, an earlier one is dropped as known, and a later one is buffered until
history has filled the gap before it. An id far ahead counts only once history, or nothing else,
agrees: a later trade near the last one proves it absurd. Ids lower than before on later trades
mean that the exchange's ids began again, if history no longer holds the old ones.
"""

from collections.abc import Iterable, Sequence

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position
from trade_producer.stream_outputs import (
    Append,
    Buffered,
    Gap,
    Missing,
    Output,
    Reject,
    Source,
    runs,
)
from trade_producer.trade_stream import StreamState, TradeStream

# A gap of more ids is not believed unless history holds trades near its far side.
IMPLAUSIBLE_JUMP = 1_000_000

_TOO_FAR_AHEAD = f"trade_id is more than {IMPLAUSIBLE_JUMP} ahead of the exchange's other trades"
_LOWER_AND_LATER = "trade_id is lower than earlier trades', which history still holds"

# A trade with a lower id that is so much later than the last one is no repetition of an old one.
_LATER_US = 1_000_000
# History is asked from so much before the last trade, so that it shows whether it holds that one.
_OVERLAP_US = 10_000
_MAX_LOWER = 100


class DenseIdStream(TradeStream):
    """See `TradeStream`. While no trade is appended, those before the beginning are dropped."""

    def __init__(self, max_buffered: int = 100_000) -> None:
        super().__init__(max_buffered)
        # The greatest id that was dropped because the buffer was full, or reported.
        self._newest_dropped_id = 0
        self._newest_reported_id = 0
        self._unconfirmed_newest_id = 0
        self._last_seen_id = 0
        self._lower: list[Trade] = []

    def resume(self, position: Position, recent: Sequence[Position] = ()) -> None:
        """Go on after the last trade in the topic."""
        self.state = StreamState.CATCHING_UP
        self._move_to(position)

    @property
    def missing(self) -> Missing | None:
        """Return the first gap, or everything behind the last trade while that is suspected."""
        if self.is_current:
            return None
        if self.state is StreamState.IDS_LOWER and self._last is not None:
            return Missing(None, self._last.timestamp_us - _OVERLAP_US, None)
        return Missing(self._last, self._from_us, min(self._buffer) if self._buffer else None)

    @property
    def needs_confirmation(self) -> bool:
        """Whether the first gap is wider than any market makes."""
        is_open = bool(self._buffer) and self._last is not None
        return is_open and min(self._buffer) > self._last_id + IMPLAUSIBLE_JUMP

    # --- what happens ---------------------------------------------------------------------

    def reported_newest(self, trade_id: int) -> None:
        """Suspect a gap where the newest trade was not seen, unless history did not confirm it."""
        is_news = trade_id > self._last_id and trade_id != self._unconfirmed_newest_id
        if self._last is not None and is_news and trade_id not in self._buffer:
            self._newest_reported_id = trade_id
            self.suspect_missing()

    def live(self, trades: Sequence[Trade]) -> list[Output]:
        """Append what runs on from the last trade; buffer what follows a gap."""
        if not trades:
            return []
        outputs = self._find_base(trades) if self._last is None else self._judge(trades)
        outputs += self._take("websocket", trades)
        if self._has_begun and self._last_id == int(trades[-1].trade_id):
            # Ids run on up to the newest trade of the frame: nothing passed unseen.
            self._settle(is_caught_up=True)
        return outputs

    def history(self, trades: Sequence[Trade]) -> list[Output]:
        """Append what fills the gap."""
        if not trades:
            return []
        outputs: list[Output] = []
        if self.state is StreamState.IDS_LOWER:
            known_us = self._last.timestamp_us if self._last is not None else 0
            later = [trade for trade in trades if trade.timestamp_us > known_us]
            if self._holds_last(trades):
                outputs += self._reject_lower()
            elif later:
                outputs += self._restart(later[0].timestamp_us)
            else:
                return []
        if self._last is None:
            self._find_base_in_history(trades)
        outputs += [] if self._has_begun else self._append_start(self._from_us)
        return outputs + self._take("rest", trades)

    def history_ended(self, *, is_newest: bool) -> list[Output]:
        """Take history's end as proof that nothing passed unseen, where it is the newest."""
        if self._last is None and self._buffer:
            # History ended before the first live trade: it lags, so nothing is proven.
            return []
        if self.state is StreamState.IDS_LOWER:
            return []
        outputs = [] if self._has_begun else self._append_start(self._from_us)
        if is_newest:
            if self._newest_reported_id > self._last_id:
                self._unconfirmed_newest_id = self._newest_reported_id
                self._newest_reported_id = 0
            self._settle(is_caught_up=True)
        return outputs

    def give_up(self, reach: int = 0) -> list[Output]:
        """Name the first gap, and those history was asked for up to ``reach``."""
        if self.state is StreamState.IDS_LOWER:
            return self._reject_lower()
        if not self._buffer:
            return []
        if self.needs_confirmation and min(self._buffer) > reach + IMPLAUSIBLE_JUMP:
            return self._reject_beyond(max(self._last_id, reach) + IMPLAUSIBLE_JUMP)
        outputs: list[Output] = []
        first_id = min(self._buffer)
        if self._last is None:
            # Nothing shows how many trades lie before the first live one.
            outputs += self._append_start(self._buffer[first_id].trade.timestamp_us + 1)
            self._last_id = first_id - 1
        while self._buffer and min(self._buffer) <= max(first_id, reach):
            next_id = min(self._buffer)
            if next_id > max(self._last_id, reach) + IMPLAUSIBLE_JUMP:
                break
            if next_id > self._last_id + 1:
                outputs.append(self._skip_to(next_id))
            outputs += self._drain()
        # What closed was given up, not filled.
        self.state = StreamState.CATCHING_UP
        self._settle(is_caught_up=True)
        return outputs

    # --- how ------------------------------------------------------------------------------

    def _find_base(self, trades: Sequence[Trade]) -> list[Output]:
        """Learn from a frame that reaches back behind the beginning where the ids stand there."""
        before = [trade for trade in trades if trade.timestamp_us < self._from_us]
        # An id far from the others is no place to begin: history knows better.
        if not before or int(trades[-1].trade_id) > int(trades[0].trade_id) + IMPLAUSIBLE_JUMP:
            return []
        self._move_to(Position(before[-1].trade_id, before[-1].timestamp_us))
        return [] if self._has_begun else self._append_start(self._from_us)

    def _find_base_in_history(self, trades: Sequence[Trade]) -> None:
        """Set the position before the first trade at or after the beginning."""
        base: Position | None = None
        for trade in trades:
            if trade.timestamp_us >= self._from_us:
                if base is None or int(base.trade_id) >= int(trade.trade_id):
                    base = Position(str(int(trade.trade_id) - 1), self._from_us)
                break
            base = Position(trade.trade_id, trade.timestamp_us)
        if base is not None:
            self._move_to(base)

    def _judge(self, trades: Sequence[Trade]) -> list[Output]:
        """Judge by a frame what is buffered far ahead, and whether ids began again."""
        newest = trades[-1]
        newest_id = int(newest.trade_id)
        if self._buffer and self._last_id < newest_id <= self._last_id + IMPLAUSIBLE_JUMP:
            return self._reject_beyond(newest_id + IMPLAUSIBLE_JUMP)
        known_us = self._last.timestamp_us if self._last is not None else 0
        is_later = known_us > 0 and newest.timestamp_us > known_us + _LATER_US
        if self._has_begun and is_later and newest_id <= self._last_seen_id:
            self._lower = [*self._lower, newest][-_MAX_LOWER:]
            self.state = StreamState.IDS_LOWER
        return []

    def _reject_beyond(self, max_id: int) -> list[Output]:
        """Reject what is buffered beyond the id."""
        rejected = [self._buffer.pop(each).trade for each in sorted(self._buffer) if each > max_id]
        if self._newest_dropped_id > max_id:
            self._newest_dropped_id = 0
        if not rejected:
            return []
        # The gap was none, so it was not filled either.
        self.state = StreamState.CATCHING_UP
        self._settle(is_caught_up=False)
        return [Reject(_TOO_FAR_AHEAD, tuple(rejected))]

    def _holds_last(self, trades: Sequence[Trade]) -> bool:
        return any(int(trade.trade_id) >= self._last_seen_id for trade in trades)

    def _restart(self, from_us: int) -> list[Output]:
        """Begin at the moment with the exchange's new ids."""
        self.restarts += 1
        left = tuple(buffered.trade for buffered in self._buffer.values())
        self._lower.clear()
        self._buffer.clear()
        self._newest_dropped_id = self._newest_reported_id = 0
        self._last = None
        self._last_id = self._last_seen_id = 0
        self._from_us = from_us
        self.state = StreamState.NOT_BEGUN
        return [Reject(_TOO_FAR_AHEAD, left)] if left else []

    def _reject_lower(self) -> list[Output]:
        rejected, self._lower = self._lower, []
        self.state = StreamState.CATCHING_UP
        self._settle(is_caught_up=False)
        return [Reject(_LOWER_AND_LATER, tuple(rejected))] if rejected else []

    def _take(self, source: Source, trades: Iterable[Trade]) -> list[Output]:
        # What was buffered before the beginning's place among the ids was known may run on now.
        outputs = self._drain() if self._last is not None and self._buffer else []
        run: list[Trade] = []
        for trade in trades:
            trade_id = int(trade.trade_id)
            if self._is_before_first(trade, trade_id):
                # The snapshot may be older than the beginning, which these come before too.
                self.dropped += 1
                self._move_to(Position(trade.trade_id, trade.timestamp_us))
            elif self._last is None or trade_id > self._last_id + 1:
                self._hold(trade_id, source, trade)
            elif trade_id == self._last_id + 1:
                run.append(trade)
                self._appended(trade_id, trade)
                self._buffer.pop(trade_id, None)
                if trade_id + 1 in self._buffer:
                    outputs.append(Append(source, tuple(run)))
                    run = []
                    outputs += self._drain()
            else:
                self.dropped += 1
        if run:
            outputs.append(Append(source, tuple(run)))
        self._settle(is_caught_up=self.is_current)
        return outputs

    def _is_before_first(self, trade: Trade, trade_id: int) -> bool:
        """Return whether nothing is appended yet and this trade comes before the beginning."""
        return trade.timestamp_us < self._from_us and (
            self._last is None or self._last_id < trade_id <= self._last_id + IMPLAUSIBLE_JUMP
        )

    def _appended(self, trade_id: int, trade: Trade) -> None:
        self._last_id = self._last_seen_id = trade_id
        self._last = Position(trade.trade_id, trade.timestamp_us)
        # Behind the first trade the order of ids alone counts.
        self._from_us = 0

    def _hold(self, trade_id: int, source: Source, trade: Trade) -> None:
        if trade_id in self._buffer:
            self.dropped += 1
        elif len(self._buffer) < self._max_buffered:
            self._buffer[trade_id] = Buffered(source, trade)
        else:
            self._newest_dropped_id = max(self._newest_dropped_id, trade_id)

    def _drain(self) -> list[Output]:
        """Append what is buffered as far as it runs on from the last id."""
        taken: list[Buffered] = []
        while (buffered := self._buffer.pop(self._last_id + 1, None)) is not None:
            taken.append(buffered)
            self._last_id += 1
        if taken:
            self._appended(self._last_id, taken[-1].trade)
        return list(runs(taken))

    def _skip_to(self, next_id: int) -> Gap:
        gap = Gap(self._last_id + 1, next_id - 1)
        self.ids_unresolved += gap.last_missing_id - gap.first_missing_id + 1
        known_us = self._from_us if self._last is None else self._last.timestamp_us
        last_seen_id = self._last_seen_id
        self._move_to(Position(str(gap.last_missing_id), known_us))
        self._last_seen_id = last_seen_id
        return gap

    def _move_to(self, position: Position) -> None:
        super()._move_to(position)
        self._last_seen_id = self._last_id

    def _settle(self, *, is_caught_up: bool) -> None:
        """Set the state that follows from what is buffered and what was seen."""
        if self.state in (StreamState.NOT_BEGUN, StreamState.IDS_LOWER):
            return
        was_behind = self.state is StreamState.BEHIND_GAP
        is_behind = bool(self._buffer) and self._last is not None
        newest_seen = max(self._newest_dropped_id, self._newest_reported_id)
        self.gaps_opened += is_behind and not was_behind
        self.gaps_filled += was_behind and not is_behind
        if is_behind:
            self.state = StreamState.BEHIND_GAP
        elif is_caught_up and not self._buffer and self._last_id >= newest_seen:
            self.state = StreamState.CURRENT
        else:
            self.state = StreamState.CATCHING_UP
