"""Writing: a feature store, and the newest rows of what it has committed in Redis."""

from collections.abc import Callable, Sequence
from typing import Any

from ohlc_core.domain.candle import Candle
from ohlc_features.base import FeatureGroupStore, FeatureStore, LosableStore, NewestRowsStore
from ohlc_features.define.observer import Observer
from ohlc_features.online.newest import Entry, NewestRows, candle_entry, group_entry
from ohlc_features.schema import FeatureRow, Origin, feature_row


class WrittenRows:
    """The rows of feature groups that one transaction wrote, and their place in the order."""

    def __init__(self, newest: NewestRows, group: str) -> None:
        self._newest = newest
        self._group = group
        self._number = 0
        self.entries: dict[str, Entry] = {}

    def clear(self) -> None:
        """Begin a write."""
        self._number, self.entries = 0, {}

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Note rows; called within the transaction, in which no other writer has the turn."""
        self._number = self._newest.next_write(self._group)
        for row in rows:
            entry = group_entry(table, row, self._number)
            held = self.entries.get(entry.key)
            if held is None or entry.place >= held.place:
                self.entries[entry.key] = entry


class OnlineStore:
    """A feature store whose newest rows are in Redis, too.

    What is committed is put there afterwards; a crash in between repeats the batch. A key that is
    not in Redis is filled from the feature store, whose newest row may be another one; from what
    is written, where the feature store cannot be asked.

    Args:
        open_inner: opens the feature store with the observer that notes feature rows.
        newest: Redis.
        group: name and version of the candles' feature group.
        origin: what writes.
        observer: hears of the evaluation of features.
    """

    def __init__(
        self,
        open_inner: Callable[[Observer], FeatureStore],
        newest: NewestRows,
        *,
        group: str,
        origin: Origin,
        observer: Observer | None,
    ) -> None:
        self._newest = newest
        self._group = group
        self._origin: Origin = origin
        self._written = WrittenRows(newest, group)
        self._inner = open_inner((observer or Observer())._replace(stored=self._written.add))

    def write(self, candles: Sequence[Candle]) -> int:
        """Keep candles in the feature store, then their newest rows in Redis."""
        self._written.clear()
        left_out = self._inner.write(candles)
        rows = [feature_row(candle, self._origin) for candle in candles]
        # Feature rows first: one that is older than its candle is not served.
        entries = list(self._written.entries.values())
        entries += [candle_entry(self._group, row) for row in rows]
        absent = self._newest.put(entries, makes_keys=False)
        if absent:
            self._fill(absent)
        return left_out

    def is_lost(self) -> bool:
        """Return whether what the feature store kept is gone."""
        return isinstance(self._inner, LosableStore) and self._inner.is_lost()

    def reopen(self) -> None:
        """Make the feature store again, empty."""
        if isinstance(self._inner, LosableStore):
            self._inner.reopen()

    def unmaintained_groups(self) -> list[str]:
        """Return the groups whose rows the feature store does not keep in step."""
        if isinstance(self._inner, FeatureGroupStore):
            return self._inner.unmaintained_groups()
        return []

    def close(self) -> None:
        """Close both."""
        self._newest.close()
        self._inner.close()

    def _fill(self, absent: Sequence[Entry]) -> None:
        """Put the feature store's own newest rows under keys that are not there."""
        if isinstance(self._inner, NewestRowsStore):
            rows = self._inner.newest_rows(sorted({each.of for each in absent}))
            ends = {row[:3]: row.window_end for row in rows}
            # A feature row of an older window is not the newest: the feature store has that.
            newest = [
                each
                for each in absent
                if not isinstance(each.row, FeatureRow) and each.end_ms >= ends.get(each.of, 0)
            ]
            absent = [*newest, *(candle_entry(self._group, row) for row in rows)]
        self._newest.put(absent, makes_keys=True)
