"""Feature groups for stores that cannot look candles up: a local file works for them.

The console keeps nothing and Hopsworks is slow to read, so the windows of features are looked up
in a SQLite file beside them. The same evaluator fills the same tables in it; the rows written are
then handed on. After a failure the batch is written again, and touches the same rows again: what
is handed on may be repeated, never missed.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ohlc_core.domain.candle import Candle
from ohlc_features.base import GroupRow, GroupRowSink
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.errors import StoreLostError
from ohlc_features.schema import Origin
from ohlc_features.sql.store import LocalStore

if TYPE_CHECKING:
    from ohlc_features.working_file import WorkingFile

_LEADING = 5


class WrittenGroupRows:
    """The rows that were written to the working file since they were last taken."""

    def __init__(self, groups: Sequence[DefinedGroup]) -> None:
        self._groups = {each.group.table: each.group for each in groups}
        self._rows: dict[str, dict[tuple[Any, ...], GroupRow]] = {}

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Note rows; a later one of the same window takes the place of an earlier one."""
        known = self._rows.setdefault(table, {})
        for row in rows:
            leading = row[:_LEADING]
            values = tuple(row[_LEADING:-1])
            known[tuple(leading)] = GroupRow._make((*leading, values, bool(row[-1])))

    def by_group(self) -> list[tuple[FeatureGroup, list[GroupRow]]]:
        """Return the rows of each group, in the order of time."""
        return [
            (self._groups[table], sorted(rows.values(), key=lambda row: row.window_end))
            for table, rows in sorted(self._rows.items())
        ]

    def clear(self) -> None:
        """Forget them."""
        self._rows.clear()


class WorkingStore:
    """Writes candles to a store, and the feature rows that they touch.

    Args:
        outer: where candles and feature rows are kept or shown.
        url: of the working file.
        definitions: the feature groups.
        origin, write_incomplete, observer: as for `LocalStore`.
        file: what makes the working file again where it was lost; None where it begins empty.
        close: called at the end.

    Raises:
        StoreUnavailableError, StoreRejectedError: the working file cannot be opened.
        DefinitionError: its rows are of other code.
    """

    def __init__(
        self,
        outer: GroupRowSink,
        url: str,
        definitions: Sequence[DefinedGroup],
        *,
        origin: Origin = "live",
        write_incomplete: bool = False,
        observer: Observer | None = None,
        file: "WorkingFile | None" = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._outer = outer
        self._written = WrittenGroupRows(definitions)
        self._file = file
        self._close = close
        heard = observer or Observer()

        def stored(table: str, rows: Sequence[Sequence[Any]]) -> None:
            self._written.add(table, rows)
            heard.stored(table, rows)

        self._local = LocalStore.open(
            url,
            "ohlc",
            1,
            origin=origin,
            write_incomplete=write_incomplete,
            definitions=definitions,
            observer=heard._replace(stored=stored),
        )
        self._known_until_ms = file.known_until_ms() if file else 0

    def write(self, candles: Sequence[Candle]) -> int:
        """Keep candles, and the feature rows that they touch.

        Raises:
            StoreLostError: the working file is new or was deleted: read everything again.
            StoreUnavailableError, StoreRejectedError: as the outer store.
        """
        if self._known_until_ms is None:
            raise StoreLostError("the working file of the feature groups is new or was lost")
        self._written.clear()
        self._local.write(candles)
        left_out = self._outer.write(candles)
        for group, rows in self._written.by_group():
            # Of windows before the file was lost, some candles may only be in the outer store.
            sure = [row for row in rows if row.complete or row.window_end > self._known_until_ms]
            if sure:
                self._outer.write_rows(group, sure)
        return left_out

    def is_lost(self) -> bool:
        """Return whether the working file is new, or was deleted."""
        return self._known_until_ms is None or self._local.is_lost()

    def reopen(self) -> None:
        """Make the working file again, from what the outer store has.

        Raises:
            StoreUnavailableError, StoreRejectedError: that cannot be read, or the file be written.
        """
        if self._local.is_lost():
            self._local.reopen()
        if self._file is not None:
            self._known_until_ms = self._file.rebuild(self._local)

    def unmaintained_groups(self) -> list[str]:
        """Return the groups of the working file that are not kept in step any more."""
        return self._local.unmaintained_groups()

    def close(self) -> None:
        """Close the store and the working file."""
        try:
            self._local.close()
            self._outer.close()
        finally:
            self._close()
