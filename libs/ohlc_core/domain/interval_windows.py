"""The windows of one interval of one product: open ones, closed ones, and flat ones between."""

from ohlc_core.domain.closed_windows import ClosedWindows
from ohlc_core.domain.decimals import ZERO
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.product_state import ProductState
from ohlc_core.domain.state import StateStore
from ohlc_core.domain.window import Window


class IntervalWindows:
    """One interval of one product: its open windows, its closed ones, its place in the rules."""

    def __init__(self, interval: Interval, state: ProductState, store: StateStore) -> None:
        self.interval = interval
        self.us = interval.us
        self.state = state.interval(interval.text)
        self.closed = ClosedWindows(interval.text, store)

    def window(self, start: int) -> Window:
        """Return the open window of that start, opening it when there is none."""
        window = self.state.open.get(start)
        if window is None:
            window = self.state.open[start] = Window()
        return window

    def reopen(self, start: int, window: Window, *, fill: bool) -> None:
        """Open a closed window again: its candle was not the last word."""
        self.state.open[start] = window
        if fill:
            self.state.next_start = start

    def take_due(self, last_end: int, *, everything: bool, fill: bool) -> list[tuple[int, Window]]:
        """Remove and return, by start, the windows that end by last_end (or all open ones)."""
        opened = self.state.open
        starts = [start for start in opened if everything or start + self.us <= last_end]
        due = {start: opened.pop(start) for start in sorted(starts)}
        if fill:
            self._fill(due, last_end)
        return sorted(due.items())

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
