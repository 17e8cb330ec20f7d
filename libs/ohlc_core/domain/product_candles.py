"""The candles of one product: every candle rule in one place.

A pure state machine: records of the ``trades`` topic go in, candles and rejected trades come out.
What it remembers between checkpoints lies in a `StateStore`. The outcome depends only on the
order of the records, never on how trades are batched, on time, or on restarts.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import localcontext

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import EXACT
from ohlc_core.domain.interval_windows import IntervalWindows
from ohlc_core.domain.product_state import (
    NEVER,
    ProductState,
    read_product_state,
    write_product_state,
)
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.seen_ids import SeenIds
from ohlc_core.domain.segment import Columns, DecimalColumns, Segment, Span
from ohlc_core.domain.state import StateStore
from ohlc_core.domain.trade import ProductKey, Trade, reason_to_reject
from ohlc_core.domain.window import Window

STATE_NAME = "product"
_FAR = 1 << 62


class Rejected(msgspec.Struct, frozen=True):
    """A trade that could not be counted, wholly or for some intervals."""

    trade: Trade
    reason: str
    detail: str


class Output(msgspec.Struct):
    """What one record led to, in order."""

    candles: list[Candle] = msgspec.field(default_factory=list)
    rejected: list[Rejected] = msgspec.field(default_factory=list)
    duplicates: int = 0
    late: int = 0


class ProductCandles:
    """The candles of one product, of all intervals.

    Args:
        key: the product.
        rules: the candle rules.
        sequential: whether trade ids count up within the product, so that they order its trades.
        store: the product's state; read at once, written by `save`. The attribute ``store`` may
            be set anew between records, when the holder of the state hands out a fresh one.
    """

    def __init__(
        self, key: ProductKey, rules: CandleRules, store: StateStore, *, sequential: bool
    ) -> None:
        self.key = key
        self.store = store
        self._rules = rules
        self._sequential = sequential
        value = store.get(STATE_NAME)
        self._state = ProductState() if value is None else read_product_state(value)
        self._intervals = [
            IntervalWindows(interval, self._state, store, fill=rules.fill_empty)
            for interval in rules.intervals
        ]
        self._seen = SeenIds(
            rules.id_bucket_us,
            sequential=self._sequential,
            highest=self._state.highest_id,
            store=store,
        )

    @property
    def watermark_us(self) -> int | None:
        """The event time before which no more trades are expected; None before the first."""
        return None if self._state.watermark_us == NEVER else self._state.watermark_us

    @property
    def open_windows(self) -> int:
        """How many windows have trades and have not closed."""
        return sum(len(each.state.open) for each in self._intervals)

    def on_trades(self, trades: Sequence[Trade], not_after_us: int = _FAR) -> Output:
        """Count trades, in their order of arrival.

        A trade later than not_after_us is rejected: a wrong time far ahead would close every
        window and make all true trades late.
        """
        output = Output()
        with localcontext(EXACT):
            if trades and not self._add_in_order(DecimalColumns(trades), not_after_us, output):
                for trade in trades:
                    self._add_one(trade, not_after_us, output)
        return output

    def on_columns(self, columns: Columns, not_after_us: int = _FAR) -> Output | None:
        """Count trades that are plainly in order, at once.

        Returns:
            None: they are not, nothing has changed, and `on_trades` has to look at each of them.
        """
        output = Output()
        with localcontext(EXACT):
            return output if self._add_in_order(columns, not_after_us, output) else None

    def on_start(self, from_us: int) -> Output:
        """Note that a stream begins, with every trade at or after from_us to follow."""
        output = Output()
        with localcontext(EXACT):
            self._go_on_after_replay()
            known_until = self.watermark_us
            self._state.coverage.start(from_us, known_until)
        return output

    def on_gap(self, first_missing_id: str, last_missing_id: str) -> Output:
        """Note that the trades of these ids, inclusive, could not be had."""
        output = Output()
        with localcontext(EXACT):
            self._go_on_after_replay()
            state = self._state
            state.coverage.open_gap(state.last_trade_us, last_missing_id)
            newest = str(self._seen.highest)
            if (
                last_missing_id.isdecimal()
                and int(last_missing_id) < self._seen.highest
                and state.last_trade_us is not None
                and state.coverage.close_gap(newest, state.last_trade_us)
            ):
                self._correct_completeness(output)
        return output

    def on_watermark(self, watermark_us: int, *, final: bool = False) -> Output:
        """Advance event time; ``final`` closes every window, because the replay has ended."""
        output = Output()
        with localcontext(EXACT):
            if final:
                self._end_replay(watermark_us, output)
            elif watermark_us > self._state.watermark_us:
                self._go_on_after_replay()
                self._advance(watermark_us, output)
        return output

    def save(self) -> bytes:
        """Write what changed to the store. Return the product's own state as written."""
        self._state.saves += 1
        self._state.highest_id = self._seen.highest
        value = write_product_state(self._state)
        self.store.set(STATE_NAME, value)
        for each in self._intervals:
            each.closed.save(self.store)
        self._seen.save(self.store)
        return value

    # --- counting ----------------------------------------------------------------------------

    def _add_in_order(self, columns: Columns, not_after_us: int, output: Output) -> bool:
        """Count trades that are plainly valid, new, on time and in order; else change nothing."""
        if not (
            self._state.coverage.is_settled
            and columns.times_ascend()
            and columns.times[-1] <= not_after_us
            and not self._is_late(columns.times[0])
        ):
            return False
        dense = columns.dense
        if dense is not None and self._seen.dense_are_new(dense):
            ascending = True
        else:
            dense = None
            ascending = self._seen.are_new_and_ascending(columns.ids)
            if not ascending and not self._seen.are_new(columns.ids, self.store):
                return False
        spans = self._spans(columns.times)
        try:
            segments = columns.segments(spans, ascending_ids=ascending, sequential=self._sequential)
            if not columns.are_plainly_valid(segments):
                return False
        except ArithmeticError:  # not a number, or out of any range
            return False
        for (begin, end), segment in zip(spans, segments, strict=True):
            first_us, last_us = columns.times[begin], columns.times[end - 1]
            for each in self._intervals:
                each.window_at(first_us).add(segment)
            if dense is None:
                self._seen.add(columns.ids[begin:end], first_us, self.store)
            else:
                self._seen.add_dense(dense[begin:end], first_us, self.store)
            self._state.last_trade_us = last_us
            self._advance(last_us, output)
        return True

    def _spans(self, times: Sequence[int]) -> list[Span]:
        """Cut ascending times where windows may end; return [begin, end) positions."""
        base_us, count = self._rules.base_us, len(times)
        spans = []
        begin = 0
        while begin < count:
            base_end = times[begin] - times[begin] % base_us + base_us
            end = count if times[-1] < base_end else bisect_left(times, base_end, begin)
            spans.append((begin, end))
            begin = end
        return spans

    def _add_one(self, trade: Trade, not_after_us: int, output: Output) -> None:
        """Count a trade that may be anything: wrong, known, late or too late."""
        reason = reason_to_reject(trade)
        if reason is not None:
            output.rejected.append(Rejected(trade, "malformed", reason))
            return
        if trade.timestamp_us > not_after_us:
            output.rejected.append(Rejected(trade, "too-early", "timestamp_us is in the future"))
            return
        if self._seen.is_known(trade.trade_id, self.store):
            output.duplicates += 1
            return
        self._go_on_after_replay()
        if self._state.coverage.close_gap(trade.trade_id, trade.timestamp_us):
            self._correct_completeness(output)
        too_late = self._count_by_interval(trade, output)
        if too_late:
            detail = f"later than LATE_RETENTION allows for {', '.join(too_late)}"
            output.rejected.append(Rejected(trade, "too-late", detail))
            if len(too_late) == len(self._intervals):
                return
        before = self._seen.highest
        self._seen.add((trade.trade_id,), trade.timestamp_us, self.store)
        if self._seen.highest != before or not self._sequential:
            self._state.last_trade_us = trade.timestamp_us
        self._advance(trade.timestamp_us, output)

    def _count_by_interval(self, trade: Trade, output: Output) -> list[str]:
        """Add the trade to its window of every interval; return those it is too late for."""
        watermark, rules = self._state.watermark_us, self._rules
        segment = DecimalColumns((trade,)).segment(
            0, 1, ascending_ids=True, sequential=self._sequential
        )
        too_late = []
        is_late = False
        for each in self._intervals:
            start = each.interval.window_start(trade.timestamp_us)
            if start + each.us > self._closed_until_us:
                each.window_at(trade.timestamp_us).add(segment)
            elif rules.forgotten_at(start + each.us) > watermark:
                is_late = True
                self._correct(each, start, segment, output)
            else:
                too_late.append(each.interval.text)
        output.late += is_late
        return too_late

    def _is_late(self, timestamp_us: int) -> bool:
        base_us = self._rules.base_us
        base_end = timestamp_us - timestamp_us % base_us + base_us
        return base_end <= self._closed_until_us

    @property
    def _closed_until_us(self) -> int:
        """Windows that end by this time are closed."""
        state = self._state
        return max(self._rules.closed_until(state.watermark_us), state.replayed_until_us)

    # --- closing -----------------------------------------------------------------------------

    def _advance(self, watermark_us: int, output: Output) -> None:
        if watermark_us > self._state.watermark_us:
            self._state.watermark_us = watermark_us
            last_end = self._rules.closed_until(watermark_us)
            if any(last_end >= each.next_end for each in self._intervals):
                self._close(last_end, output)

    def _close(self, last_end: int, output: Output, *, everything: bool = False) -> None:
        """Emit the windows that end by last_end, in order of their ends, short ones first."""
        due = [
            (start + each.us, each.us, start, window, each)
            for each in self._intervals
            for start, window in each.take_due(last_end, everything=everything)
        ]
        due.sort(key=lambda item: item[:2])
        for end, _, start, window, each in due:
            self._emit(each, start, window, output)
            if self._rules.forgotten_at(end) > self._state.watermark_us:
                each.closed.put(start, window)
        self._forget()

    def _emit(self, each: IntervalWindows, start: int, window: Window, output: Output) -> None:
        window.revision += 1
        window.complete = self._is_whole(each, start)
        output.candles.append(window.candle(self.key, each.interval, start))

    def _is_whole(self, each: IntervalWindows, start: int) -> bool:
        return start >= each.state.known_from_us and self._state.coverage.is_whole(
            start, start + each.us
        )

    def _forget(self) -> None:
        """Drop what no trade can change any more."""
        rules, watermark = self._rules, self._state.watermark_us
        for each in self._intervals:
            last_forgotten_end = watermark - rules.grace_us - rules.retention_us
            each.closed.forget_until(last_forgotten_end - each.us, self.store)
        self._seen.forget_before(watermark - rules.memory_us, self.store)
        self._state.coverage.forget_before(watermark - rules.memory_us)

    # --- correcting --------------------------------------------------------------------------

    def _correct(self, each: IntervalWindows, start: int, segment: Segment, output: Output) -> None:
        """Add a late trade to its closed window and emit the corrected candle."""
        window = each.closed.get(start, self.store) or Window()
        window.add(segment)
        self._emit(each, start, window, output)
        each.closed.put(start, window)
        if self._rules.fill_empty:
            each.begin_filling(start + each.us)
            self._refill(each, start + each.us, window, output)
            self._close(self._closed_until_us, output)

    def _refill(self, each: IntervalWindows, start: int, previous: Window, output: Output) -> None:
        """Carry a corrected close on through the empty windows behind it."""
        next_start = each.state.next_start
        while next_start is not None and start < next_start:
            window = each.closed.get(start, self.store) or Window()
            if window.count or (window.revision >= 0 and window.close == previous.close):
                return
            window.flatten(previous.close)
            self._emit(each, start, window, output)
            each.closed.put(start, window)
            start += each.us
        each.state.previous_close = previous.close

    def _correct_completeness(self, output: Output) -> None:
        """Emit anew the retained candles of which a gap changed whether they are complete."""
        for each in self._intervals:
            for start in tuple(each.closed.starts):
                window = each.closed.get(start, self.store)
                if window is not None and window.complete != self._is_whole(each, start):
                    self._emit(each, start, window, output)
                    each.closed.put(start, window)

    # --- replays -----------------------------------------------------------------------------

    def _end_replay(self, end_us: int, output: Output) -> None:
        """Close everything. A window that the end of the replay cuts is not complete."""
        state = self._state
        if state.coverage.replay_ended_at() == max(end_us, state.watermark_us):
            return
        self._go_on_after_replay()
        state.watermark_us = max(end_us, state.watermark_us)
        state.replayed_until_us = state.watermark_us
        state.coverage.end_replay(state.watermark_us)
        self._close(state.watermark_us, output, everything=True)

    def _go_on_after_replay(self) -> None:
        """Open the windows again that the end of a replay had cut, if there was one."""
        if not self._state.coverage.resume_after_replay():
            return
        for each in self._intervals:
            each.reopen_after(self._state.replayed_until_us, self.store)
