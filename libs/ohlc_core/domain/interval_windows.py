"""The windows of one interval of one product: open ones, closed ones, and flat ones between."""

from ohlc_core.domain.closed_windows import ClosedWindows
from ohlc_core.domain.decimals import ZERO
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.product_state import ProductState
from ohlc_core.domain.state import StateStore
from ohlc_core.domain.window import Window

FAR = 1 << 62


class IntervalWindows:
    """One interval of one product: its open windows, its closed ones, its place in the rules.

    Attributes:
        next_end: the earliest end among the windows that wait to be closed; FAR when none does.
    """

    def __init__(
        self, interval: Interval, state: ProductState, store: StateStore, *, fill: bool
    ) -> None:
        self.interval = interval
        self.us = interval.us
        self._offset_us = interval.offset_us
        self.state = state.interval(interval.text)
        self.closed = ClosedWindows(interval.text, store)
        self._fills = fill
        # The window that took the last trade, because the next one nearly always falls into it.
        self._current = Window()
        self._current_start = FAR
        self.next_end = self._earliest_end()

    def window_at(self, timestamp_us: int) -> Window:
        """Return the open window that holds the time, opening it when there is none."""
        if 0 <= timestamp_us - self._current_start < self.us:
            return self._current
        start = timestamp_us - (timestamp_us - self._offset_us) % self.us
        window = self.state.open.get(start)
        if window is None:
            window = self.state.open[start] = Window()
            self.next_end = min(self.next_end, start + self.us)
        self._current, self._current_start = window, start
        return window

    def reopen_after(self, end_us: int) -> None:
        """Reopen closed windows that end after ``end_us``; their candles will be revised."""
        for start in tuple(self.closed.starts):
            window = self.closed.take(start) if start + self.us > end_us else None
            if window is not None:
                self.state.open[start] = window
                if self._fills:
                    self.state.next_start = start
        self.next_end = self._earliest_end()

    def take_due(self, last_end: int, *, everything: bool) -> list[tuple[int, Window]]:
        """Remove and return, by start, the windows that end by last_end (or all open ones)."""
        opened = self.state.open
        starts = [start for start in opened if everything or start + self.us <= last_end]
        due = {start: opened.pop(start) for start in sorted(starts)}
        if self._fills:
            self._fill(due, last_end)
        self._current_start = FAR
        self.next_end = self._earliest_end()
        return sorted(due.items())

    def begin_filling(self, start: int) -> None:
        """Note the first window behind the first candle, when there was none before."""
        if self.state.next_start is None:
            self.state.next_start = start
            self.next_end = self._earliest_end()

    def _fill(self, due: dict[int, Window], last_end: int) -> None:
        """Add flat windows to ``due``, and note where the next one would be."""
        state = self.state
        start = min(due, default=None) if state.next_start is None else state.next_start
        close = state.previous_close or ZERO
        while start is not None and (start + self.us <= last_end or start in due):
            window = due.get(start)
            if window is None:
                window = due[start] = Window()
                window.flatten(close)
            close = window.close
            start += self.us
        state.next_start, state.previous_close = start, close

    def _earliest_end(self) -> int:
        starts = list(self.state.open)
        if self._fills and self.state.next_start is not None:
            starts.append(self.state.next_start)
        return min(starts) + self.us if starts else FAR
