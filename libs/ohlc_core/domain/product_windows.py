"""The windows of one product, of all intervals: closing, correcting and forgetting them."""

from ohlc_core.domain.decimals import ZERO
from ohlc_core.domain.interval_windows import FAR, IntervalWindows
from ohlc_core.domain.output import Output
from ohlc_core.domain.product_state import ProductState
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.segment import Segment
from ohlc_core.domain.state import StateStore
from ohlc_core.domain.trade import ProductKey
from ohlc_core.domain.window import Window

#: So many windows of an interval are closed at once. A record far ahead can end millions of
#: windows without trades; whoever closes them in parts needs memory for a part.
WINDOWS_AT_ONCE = 5_000


class ProductWindows:
    """All windows of one product.

    Attributes:
        output: what happened since `take_output`.
        is_closing: whether `close_more` has windows left to close, before anything else is done.
    """

    def __init__(
        self, key: ProductKey, rules: CandleRules, state: ProductState, store: StateStore
    ) -> None:
        self.output = Output()
        self.is_closing = False
        self._key = key
        self._rules = rules
        self._state = state
        self._intervals = [
            IntervalWindows(interval, state, store, fill=rules.fill_empty)
            for interval in rules.intervals
        ]
        self._shortest_us = rules.intervals[0].us
        self._close_until, self._close_everything = 0, False

    @property
    def open(self) -> int:
        """How many windows have trades and have not closed."""
        return sum(len(each.state.open) for each in self._intervals)

    @property
    def closed_until_us(self) -> int:
        """Windows that end by this time are closed."""
        state = self._state
        return max(self._rules.closed_until(state.watermark_us), state.replayed_until_us)

    def take_output(self) -> Output:
        """Return what happened since the last time."""
        output, self.output = self.output, Output()
        return output

    def is_late(self, timestamp_us: int) -> bool:
        """Return whether a window that holds the time may be closed."""
        base_us = self._rules.base_us
        base_end = timestamp_us - timestamp_us % base_us + base_us
        return base_end <= self.closed_until_us

    def save(self) -> None:
        """Write the closed windows that changed."""
        for each in self._intervals:
            each.closed.save()

    # --- counting ----------------------------------------------------------------------------

    def add(self, timestamp_us: int, segment: Segment) -> None:
        """Count trades that are not late, all within the same window of every interval."""
        for each in self._intervals:
            each.window_at(timestamp_us).add(segment)

    def add_by_interval(self, timestamp_us: int, segment: Segment) -> list[str]:
        """Count a trade where it is not too late; return the intervals for which it is."""
        rules, watermark = self._rules, self._state.watermark_us
        too_late = []
        is_late = False
        for each in self._intervals:
            start = each.interval.window_start(timestamp_us)
            if start + each.us > self.closed_until_us:
                each.window_at(timestamp_us).add(segment)
            elif rules.forgotten_at(start + each.us) > watermark:
                is_late = True
                self._correct(each, start, segment)
            else:
                too_late.append(each.interval.text)
        self.output.late += is_late
        return too_late

    # --- closing -----------------------------------------------------------------------------

    def advance(self, watermark_us: int) -> None:
        """Advance event time, and begin to close the windows that are over."""
        if watermark_us > self._state.watermark_us:
            self._state.watermark_us = watermark_us
            last_end = self._rules.closed_until(watermark_us)
            if any(last_end >= each.next_end for each in self._intervals):
                self._begin_closing(last_end)

    def part_before(self, time_us: int) -> int | None:
        """Return the watermark that closes a part of the windows; None: all by time_us are few."""
        next_end = min(each.next_end for each in self._intervals)
        last_end = max(next_end, self.closed_until_us) + WINDOWS_AT_ONCE * self._shortest_us
        watermark_us = last_end + self._rules.grace_us
        return watermark_us if self._rules.fill_empty and watermark_us < time_us else None

    def end_replay(self, end_us: int) -> None:
        """Begin to close every window, because the replay ended at this time."""
        self._state.watermark_us = self._state.replayed_until_us = end_us
        self._state.coverage.end_replay(end_us)
        self._begin_closing(end_us, everything=True)

    def reopen(self) -> None:
        """Open the windows again that the end of a replay had cut."""
        for each in self._intervals:
            each.reopen_after(self._state.replayed_until_us)

    def close_more(self) -> None:
        """Emit windows that are over, in order of their ends, short ones first."""
        last_end = self._close_until
        while self.is_closing:
            next_end = min(each.next_end for each in self._intervals)
            until = min(last_end, next_end + WINDOWS_AT_ONCE * self._shortest_us)
            if next_end == FAR or until == last_end:
                until, self.is_closing = last_end, False
            self._close(until, everything=self._close_everything and not self.is_closing)
            if len(self.output.candles) >= WINDOWS_AT_ONCE:
                break
        if not self.is_closing:
            self._forget()

    def _begin_closing(self, last_end: int, *, everything: bool = False) -> None:
        self._close_until, self._close_everything = last_end, everything
        self.is_closing = True
        self.close_more()

    def _close(self, last_end: int, *, everything: bool) -> None:
        due = [
            (start + each.us, each.us, start, window, each)
            for each in self._intervals
            if everything or last_end >= each.next_end
            for start, window in each.take_due(last_end, everything=everything)
        ]
        if len(due) > 1:
            due.sort(key=lambda item: item[:2])
        for end, _, start, window, each in due:
            self._emit(each, start, window)
            if self._rules.forgotten_at(end) > self._state.watermark_us or self._is_last(
                each, start
            ):
                each.closed.put(start, window)

    def _emit(self, each: IntervalWindows, start: int, window: Window) -> None:
        window.revision += 1
        window.complete = self._is_whole(each, start)
        if window.revision and not window.count:
            each.state.flat_revision = max(each.state.flat_revision, window.revision)
        self.output.candles.append(window.candle(self._key, each.interval, start))

    def _is_whole(self, each: IntervalWindows, start: int) -> bool:
        return start >= each.state.known_from_us and self._state.coverage.is_whole(
            start, start + each.us
        )

    def _is_last(self, each: IntervalWindows, start: int) -> bool:
        """Return whether the window holds the product's last trade: a gap may yet follow it."""
        last_us = self._state.last_trade_us
        return last_us is not None and 0 <= last_us - start < each.us

    def _forget(self) -> None:
        """Drop what no trade can change any more, but the windows of the last trade."""
        rules, state = self._rules, self._state
        last_forgotten_end = state.watermark_us - rules.grace_us - rules.retention_us
        last_us = state.last_trade_us
        for each in self._intervals:
            starts = each.closed.starts
            if starts and starts[0] <= last_forgotten_end - each.us:
                last = None if last_us is None else each.interval.window_start(last_us)
                each.closed.forget_until(last_forgotten_end - each.us, but=last)
        if state.coverage.gaps:
            state.coverage.forget_before(min(state.watermark_us - rules.memory_us, last_us or FAR))

    # --- correcting --------------------------------------------------------------------------

    def correct_completeness(self, from_us: int, until_us: int = FAR) -> None:
        """Emit again the closed candles that meet the span and whose completeness changed."""
        for each in self._intervals:
            for start in each.closed.starts_between(from_us - each.us, until_us):
                window = each.closed.get(start)
                if window is not None and window.complete != self._is_whole(each, start):
                    self._emit(each, start, window)
                    each.closed.put(start, window)

    def forgotten_since_last_trade(self) -> list[tuple[IntervalWindows, int, int]]:
        """Return where flat candles behind the last trade are forgotten: interval, begin, end."""
        last_us = self._state.last_trade_us
        if last_us is None or not self._rules.fill_empty:
            return []
        spans = []
        for each in self._intervals:
            first = each.interval.window_start(last_us) + each.us
            kept = each.closed.starts_between(first - 1, FAR)
            end = kept[0] if kept else each.state.next_start or first
            if first < end:
                spans.append((each, first, end))
        return spans

    def emit_forgotten(self, each: IntervalWindows, begin: int, end: int) -> None:
        """Emit the forgotten flat candles that start in [begin, end) again."""
        close = each.state.previous_close or ZERO
        revision = each.state.flat_revision
        for start in range(begin, end, each.us):
            window = Window(revision=revision)
            window.flatten(close)
            self._emit(each, start, window)

    def _correct(self, each: IntervalWindows, start: int, segment: Segment) -> None:
        """Add a late trade to its closed window and emit the corrected candle."""
        window = each.closed.get(start) or Window()
        window.add(segment)
        self._emit(each, start, window)
        each.closed.put(start, window)
        if self._rules.fill_empty:
            each.begin_filling(start + each.us)
            self._refill(each, start + each.us, window)
            self._close(self.closed_until_us, everything=False)

    def _refill(self, each: IntervalWindows, start: int, previous: Window) -> None:
        """Carry a corrected close on through the empty windows behind it."""
        next_start = each.state.next_start
        while next_start is not None and start < next_start:
            window = each.closed.get(start) or Window()
            if window.count or (window.revision >= 0 and window.close == previous.close):
                return
            window.flatten(previous.close)
            self._emit(each, start, window)
            each.closed.put(start, window)
            start += each.us
        each.state.previous_close = previous.close
