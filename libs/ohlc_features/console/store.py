"""The console store: a live table on a terminal, JSON lines otherwise. It keeps nothing."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ohlc_core.domain.candle import Candle
from ohlc_core.messages.codec import encode_candle
from ohlc_features.base import FeatureStore, GroupRow, GroupRowSink
from ohlc_features.console.shown import row_json, shown_candles
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.errors import StoreRejectedError


class JsonLinesStore:
    """Writes each candle as one line, exactly the JSON of its ``ohlc`` record."""

    def __init__(self, out: TextIO, *, write_incomplete: bool = False) -> None:
        self._out = out
        self._write_incomplete = write_incomplete

    def write(self, candles: Sequence[Candle]) -> int:
        """Print ``candles``, every revision of them, and return how many were left out.

        Raises:
            StoreRejectedError: nobody reads the output any more.
        """
        try:
            shown = shown_candles(candles, write_incomplete=self._write_incomplete)
            self._out.writelines(f"{encode_candle(candle).decode()}\n" for candle in shown)
            self._out.flush()
            return len(candles) - len(shown)
        except OSError as error:
            raise StoreRejectedError(f"standard output was closed ({error.strerror})") from None

    def write_rows(self, group: FeatureGroup, rows: Sequence[GroupRow]) -> None:
        """Print rows of a feature group, a line each.

        Raises:
            StoreRejectedError: nobody reads the output any more.
        """
        try:
            self._out.writelines(f"{row_json(group, row)}\n" for row in rows)
            self._out.flush()
        except OSError as error:
            raise StoreRejectedError(f"standard output was closed ({error.strerror})") from None

    def close(self) -> None:
        """Leave the output to its owner."""


def open_console(out: TextIO | None = None, *, write_incomplete: bool = False) -> GroupRowSink:
    """Return the table when ``out`` (default: standard output) is a terminal, else JSON lines."""
    out = sys.stdout if out is None else out
    if not out.isatty():
        return JsonLinesStore(out, write_incomplete=write_incomplete)
    from ohlc_features.console.table import ConsoleTableStore

    return ConsoleTableStore(out, write_incomplete=write_incomplete)


def open_console_with_groups(
    definitions: Sequence[DefinedGroup],
    out: TextIO | None = None,
    *,
    write_incomplete: bool = False,
    observer: Observer | None = None,
) -> FeatureStore:
    """Return the console with rows of feature groups, whose windows a temporary file holds."""
    from ohlc_features.working_store import WorkingStore

    folder = tempfile.TemporaryDirectory(prefix="ohlc-console-")
    try:
        return WorkingStore(
            open_console(out, write_incomplete=write_incomplete),
            f"sqlite:///{Path(folder.name) / 'working.db'}",
            definitions,
            write_incomplete=write_incomplete,
            observer=observer,
            close=folder.cleanup,
        )
    except BaseException:
        folder.cleanup()
        raise
