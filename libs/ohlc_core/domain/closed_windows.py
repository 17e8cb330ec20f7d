"""Closed windows that late trades can still correct, until they are forgotten."""

from bisect import bisect_left, bisect_right, insort

import msgspec

from ohlc_core.domain.state import StateStore, read_state
from ohlc_core.domain.window import Window

_read_window = msgspec.json.Decoder(Window).decode
_read_index = msgspec.json.Decoder(list[int]).decode
_write = msgspec.json.Encoder().encode


class ClosedWindows:
    """The retained closed windows of one product and interval, by their start.

    Only an index of starts and what changed since the last `save` is in memory.
    """

    def __init__(self, interval: str, store: StateStore) -> None:
        self._name = f"closed/{interval}"
        self._store = store
        index = store.get(self._name)
        self.starts: list[int] = [] if index is None else read_state(_read_index, index, self._name)
        self._stored = set(self.starts)
        self._changed: dict[int, Window] = {}
        self._index_changed = False

    def get(self, start: int) -> Window | None:
        """Return the window, or None where it had no trades or is forgotten."""
        window = self._changed.get(start)
        if window is None and start in self._stored:
            name = f"{self._name}/{start}"
            value = self._store.get(name)
            window = None if value is None else read_state(_read_window, value, name)
        return window

    def put(self, start: int, window: Window) -> None:
        """Retain a window that closed, or that changed after it had."""
        if start not in self._changed and start not in self._stored:
            insort(self.starts, start)
            self._index_changed = True
        self._changed[start] = window

    def starts_between(self, after_us: int, before_us: int) -> list[int]:
        """Return the starts of the windows that start after the one time and before the other."""
        first = bisect_right(self.starts, after_us)
        return self.starts[first : bisect_left(self.starts, before_us, first)]

    def take(self, start: int) -> Window | None:
        """Remove and return the window: it is open again."""
        window = self.get(start)
        if window is not None:
            self.starts.remove(start)
            self._drop(start)
        return window

    def forget_until(self, start: int, *, but: int | None) -> None:
        """Forget the windows that start at or before this, except the one at ``but``."""
        if not self.starts or self.starts[0] > start:
            return
        count = bisect_right(self.starts, start)
        kept = [each for each in self.starts[:count] if each == but]
        for forgotten in self.starts[:count]:
            if forgotten != but:
                self._drop(forgotten)
        self.starts[:count] = kept

    def save(self) -> None:
        """Write what changed since the last time."""
        for start, window in self._changed.items():
            self._store.set(f"{self._name}/{start}", _write(window))
        self._stored |= self._changed.keys()
        self._changed.clear()
        if self._index_changed:
            self._store.set(self._name, _write(self.starts))
            self._index_changed = False

    def _drop(self, start: int) -> None:
        self._index_changed = True
        self._changed.pop(start, None)
        if start in self._stored:
            self._stored.discard(start)
            self._store.delete(f"{self._name}/{start}")
