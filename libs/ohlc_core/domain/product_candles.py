"""The candles of one product: what each record of the ``trades`` topic does to them.

A pure state machine: records go in, candles and rejected trades come out. What it remembers
between checkpoints lies in a `StateStore`. The outcome depends only on the order of the records,
never on how trades are batched, on time, or on restarts.
"""

from collections.abc import Iterator, Sequence
from decimal import localcontext
from typing import NamedTuple

from ohlc_core.domain.decimals import EXACT
from ohlc_core.domain.ordering import MAX_ID, is_number
from ohlc_core.domain.output import Output as Output  # noqa: PLC0414
from ohlc_core.domain.output import Rejected as Rejected  # noqa: PLC0414
from ohlc_core.domain.product_state import (
    NEVER,
    ProductState,
    read_product_state,
    write_product_state,
)
from ohlc_core.domain.product_windows import WINDOWS_AT_ONCE, ProductWindows
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.seen_ids import SeenIds
from ohlc_core.domain.segment import Columns, DecimalColumns, Segment, Span
from ohlc_core.domain.state import StateStore
from ohlc_core.domain.trade import ProductKey, Trade, reason_to_reject

STATE_NAME = "product"
_FAR = 1 << 62

#: What is left to do of a record; it pauses where the output so far should be taken.
Steps = Iterator[None]


class _InOrder(NamedTuple):
    """Trades that are plainly valid, new, on time and in order, summed up by span."""

    columns: Columns
    dense: range | None
    spans: list[Span]
    segments: list[Segment]


class ProductCandles:
    """The candles of one product, of all intervals.

    A record that ends millions of windows, because event time jumps, gives its candles in parts:
    after each ``on_...`` call `more` until it returns None, before the next record.

    Args:
        key: the product.
        rules: the candle rules.
        sequential: whether trade ids count up within the product, so that they order its trades.
        store: the product's state; read at once, written by `save`.
    """

    def __init__(
        self, key: ProductKey, rules: CandleRules, store: StateStore, *, sequential: bool
    ) -> None:
        self.key = key
        self._store = store
        self._rules = rules
        self._sequential = sequential
        value = store.get(STATE_NAME)
        self.is_new = value is None
        self._state = ProductState() if value is None else read_product_state(value)
        self._windows = ProductWindows(key, rules, self._state, store)
        self._seen = SeenIds(
            rules.id_bucket_us,
            sequential=sequential,
            highest=self._state.highest_id,
            began_us=self._state.ids_began_us,
            store=store,
        )
        self._steps: Steps | None = None

    @property
    def watermark_us(self) -> int | None:
        """The event time before which no more trades are expected; None before the first."""
        return None if self._state.watermark_us == NEVER else self._state.watermark_us

    @property
    def last_trade_us(self) -> int | None:
        """The event time of the last trade in the exchange's order; None before the first."""
        return self._state.last_trade_us

    @property
    def removals(self) -> int:
        """Of how many removals of unread records the product knows; kept with its state."""
        return self._state.removals

    @removals.setter
    def removals(self, count: int) -> None:
        self._state.removals = count

    @property
    def open_windows(self) -> int:
        """How many windows have trades and have not closed."""
        return self._windows.open

    def on_columns(
        self, columns: Columns, not_after_us: int = _FAR, trusted_until_us: int = _FAR
    ) -> Output | None:
        """Count trades that are plainly in order, at once; see `on_trades`.

        Returns:
            None: they are not, nothing has changed, and `on_trades` has to look at each of them.
        """
        with localcontext(EXACT):
            trades = self._in_order(columns, not_after_us)
        return None if trades is None else self._run(self._count(trades, trusted_until_us))

    def on_trades(
        self, trades: Sequence[Trade], not_after_us: int = _FAR, trusted_until_us: int = _FAR
    ) -> Output:
        """Count trades, in their order of arrival.

        Args:
            trades: of the product.
            not_after_us: a later trade is rejected.
            trusted_until_us: a later trade counts in its window, but does not move event time:
                one wrong time ahead would close windows whose trades are still to come.
        """
        return self._run(self._take(trades, not_after_us, trusted_until_us))

    def on_start(self, from_us: int) -> Output:
        """Note that a stream begins, with every trade at or after from_us to follow."""
        return self._run(self._begin(from_us))

    def on_gap(self, first_missing_id: str, last_missing_id: str) -> Output:
        """Note that the trades of these ids, inclusive, could not be retrieved."""
        return self._run(self._miss(first_missing_id, last_missing_id))

    def on_removed(self) -> Output:
        """Note that records were removed before they were read, up to the next one."""
        return self._run(self._miss(None, None))

    def on_watermark(self, watermark_us: int, *, final: bool = False) -> Output:
        """Advance event time; ``final`` closes every window, because the replay has ended."""
        return self._run(self._reach(watermark_us, final=final))

    def approach(self, time_us: int) -> Output | None:
        """Advance event time towards a watermark far ahead, by as much as a part's windows need.

        Called again and again before `on_watermark`, it gives the same candles in parts, each of
        which can be saved: a restart goes on behind the last part saved.

        Returns:
            None: few enough windows end before time_us.
        """
        until_us = self._windows.part_before(time_us)
        return None if until_us is None else self.on_watermark(until_us)

    @property
    def has_more(self) -> bool:
        """Whether the last record has more to give: see `more`."""
        return self._steps is not None

    def more(self) -> Output | None:
        """Go on with the last record; None: it is done."""
        return None if self._steps is None else self._run(self._steps)

    def save(self) -> bytes:
        """Write what changed to the store. Return the product's own state as written."""
        self._state.saves += 1
        self._state.highest_id = self._seen.highest
        self._windows.save()
        self._seen.save()
        # Last: what a crash leaves of a save then belongs to a state that will close them again.
        value = write_product_state(self._state)
        self._store.set(STATE_NAME, value)
        return value

    def _run(self, steps: Steps) -> Output:
        with localcontext(EXACT):
            self._steps = steps
            for _ in steps:
                break
            else:
                self._steps = None
        return self._windows.take_output()

    # --- trades ------------------------------------------------------------------------------

    def _in_order(self, columns: Columns, not_after_us: int) -> _InOrder | None:
        """Return the trades summed up, or None where one of them needs a look of its own."""
        if not (
            self._state.coverage.is_settled
            and columns.times_ascend()
            and columns.last_us <= not_after_us
            and not self._windows.is_late(columns.first_us)
            and columns.first_us >= self._state.ids_began_us
        ):
            return None
        dense = columns.dense
        if dense is not None and self._seen.dense_are_new(dense):
            ascending = True
        else:
            dense = None
            ascending = self._seen.are_new_and_ascending(columns.ids)
            if not ascending and not self._seen.are_new(columns.ids):
                return None
        spans = columns.spans(self._rules.base_us)
        try:
            segments = columns.segments(spans, ascending_ids=ascending, sequential=self._sequential)
            if not columns.are_plainly_valid(segments):
                return None
            segments = [self._placed(segment) for segment in segments]
        except ArithmeticError:  # not a number, or out of any range
            return None
        return _InOrder(columns, dense, spans, segments)

    def _placed(self, segment: Segment) -> Segment:
        """Return the segment, its ids behind all that came before the exchange's began again."""
        series = self._state.id_series
        if not (series and self._sequential and is_number(segment.first_id)):
            return segment
        return segment._replace(
            first_key=(MAX_ID + series, segment.first_key[0], ""),
            last_key=(MAX_ID + series, segment.last_key[0], ""),
        )

    def _count(self, trades: _InOrder, trusted_until_us: int) -> Steps:
        columns, dense, spans, segments = trades
        for (begin, end, first_us, last_us), segment in zip(spans, segments, strict=True):
            self._windows.add(first_us, segment)
            highest = self._seen.highest
            if dense is None:
                self._seen.add(columns.ids[begin:end], first_us)
            else:
                self._seen.add_dense(dense[begin:end], first_us)
            self._note_last(last_us, by_id=self._seen.highest != highest)
            yield from self._follow(last_us, trusted_until_us)

    def _take(self, trades: Sequence[Trade], not_after_us: int, trusted_until_us: int) -> Steps:
        in_order = self._in_order(DecimalColumns(trades), not_after_us) if trades else None
        if in_order is not None:
            yield from self._count(in_order, trusted_until_us)
            return
        for trade in trades:
            yield from self._take_one(trade, not_after_us, trusted_until_us)

    def _take_one(self, trade: Trade, not_after_us: int, trusted_until_us: int) -> Steps:
        """Count a trade that may be anything: wrong, known, late or too late."""
        output = self._windows.output
        reason = reason_to_reject(trade)
        if reason is not None:
            output.rejected.append(Rejected(trade, "malformed", reason))
            return
        if trade.timestamp_us > not_after_us:
            output.rejected.append(Rejected(trade, "too-early", "timestamp_us is in the future"))
            return
        if self._seen.is_known(trade.trade_id, trade.timestamp_us):
            output.duplicates += 1
            return
        self._go_on_after_replay()
        ended_from_us = self._state.coverage.close_gap(trade.trade_id, trade.timestamp_us)
        if ended_from_us is not None:
            self._windows.correct_completeness(ended_from_us)
        segment = DecimalColumns((trade,)).segment(
            0, 1, ascending_ids=True, sequential=self._sequential
        )
        if trade.timestamp_us >= self._state.ids_began_us:
            segment = self._placed(segment)
        too_late = self._windows.add_by_interval(trade.timestamp_us, segment)
        if too_late:
            detail = f"later than LATE_RETENTION allows for {', '.join(too_late)}"
            output.rejected.append(Rejected(trade, "too-late", detail))
            if len(too_late) == len(self._rules.intervals):
                return
        highest = self._seen.highest
        self._seen.add((trade.trade_id,), trade.timestamp_us)
        is_highest = self._seen.highest != highest
        if is_highest or not (self._sequential and is_number(trade.trade_id)):
            self._note_last(trade.timestamp_us, by_id=is_highest)
        yield from self._follow(trade.timestamp_us, trusted_until_us)

    def _follow(self, time_us: int, trusted_until_us: int) -> Steps:
        if time_us <= trusted_until_us:
            yield from self._advance(time_us)

    def _note_last(self, timestamp_us: int, *, by_id: bool) -> None:
        """Note a trade that may be the last in the exchange's order: by its id, or by its time."""
        last_us = self._state.last_trade_us
        if by_id or last_us is None or timestamp_us > last_us:
            self._state.last_trade_us = timestamp_us

    # --- the other records -------------------------------------------------------------------

    def _begin(self, from_us: int) -> Steps:
        self._go_on_after_replay()
        state = self._state
        if self._seen.highest >= 0 and from_us > (state.last_trade_us or 0):
            # The exchange may have begun its ids again; what comes lies behind all that was.
            state.ids_began_us = from_us
            state.id_series += 1
            state.noted_gaps.clear()
            self._seen.begin_again(from_us)
        self._windows.correct_completeness(*state.coverage.start(from_us, self.watermark_us))
        yield from ()

    def _miss(self, first_id: str | None, last_id: str | None) -> Steps:
        """Open a gap that ends with the first trade behind last_id; None: with the next trade."""
        self._go_on_after_replay()
        coverage, windows = self._state.coverage, self._windows
        if (
            first_id is not None
            and last_id is not None
            and self._sequential
            and is_number(first_id)
            and is_number(last_id)
        ):
            # A record that is read again would be known only by the buckets of ids around it.
            if self._state.note_gap(f"{first_id}-{last_id}", self._rules.memory_us):
                return
            if int(last_id) < self._seen.highest:
                from_us, to_us = self._seen.times_around(int(first_id), int(last_id))
                coverage.add(from_us, to_us)
                windows.correct_completeness(from_us, to_us)
                return
        forgotten = windows.forgotten_since_last_trade() if coverage.is_settled else []
        # Event time may not have followed the last trade: see `on_trades`.
        last_us, event_us = self._state.last_trade_us, self._state.watermark_us
        from_us = NEVER if last_us is None else min(last_us, event_us)
        # Where ids give no order, a wrong time stays the last one.
        is_doubtful = self._sequential and from_us != last_us
        coverage.open_gap(from_us, last_id, last_us if is_doubtful else None)
        windows.correct_completeness(from_us)
        yield from ()
        for each, begin, end in forgotten:
            step_us = WINDOWS_AT_ONCE * each.us
            for part in range(begin, end, step_us):
                windows.emit_forgotten(each, part, min(end, part + step_us))
                yield

    def _reach(self, watermark_us: int, *, final: bool) -> Steps:
        state = self._state
        if final:
            end_us = max(watermark_us, state.watermark_us)
            if state.coverage.replay_ended_at() == end_us:
                return
            self._go_on_after_replay()
            self._windows.end_replay(end_us)
            yield from self._close_all()
        elif watermark_us > state.watermark_us:
            self._go_on_after_replay()
            yield from self._advance(watermark_us)

    def _advance(self, watermark_us: int) -> Steps:
        self._windows.advance(watermark_us)
        if self._windows.is_closing:
            yield from self._close_all()
        self._seen.forget_before(self._state.watermark_us - self._rules.memory_us)

    def _close_all(self) -> Steps:
        while self._windows.is_closing:
            yield
            self._windows.close_more()

    def _go_on_after_replay(self) -> None:
        """Open the windows again that the end of a replay had cut, if there was one."""
        if self._state.coverage.resume_after_replay():
            self._windows.reopen()
