"""Reading a local feature store as any SQL user would: with the standard library alone."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ohlc_core.domain.candle import Candle
from ohlc_features.rules import newest_revisions, newest_windows
from ohlc_features.schema import FeatureRow, feature_row


class StoredRows(NamedTuple):
    """Both tables, in the order of their keys."""

    history: list[FeatureRow]
    latest: list[FeatureRow]


def stored_rows(path: Path, group: str = "ohlc_1") -> StoredRows:
    """Return what is in the store; no rows where it does not exist yet."""
    if not path.exists():
        return StoredRows([], [])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        tables = {
            name
            for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        }
        if not {group, f"{group}_latest"} <= tables:
            return StoredRows([], [])
        connection.execute("begin")  # both tables as of the same moment
        history, latest = (
            [
                _row(values)
                for values in connection.execute(f"select * from {table} order by 1, 2, 3, 4")
            ]
            for table in (group, f"{group}_latest")
        )
        return StoredRows(history, latest)


def expected_rows(candles: Iterable[Candle]) -> StoredRows:
    """Return what must be in the store once ``candles`` were written: newest revisions only."""
    newest = newest_revisions(candles)
    history = [feature_row(newest[key]) for key in sorted(newest)]
    latest = newest_windows(newest.values())
    return StoredRows(history, [feature_row(latest[key]) for key in sorted(latest)])


def _row(values: tuple[object, ...]) -> FeatureRow:
    row = FeatureRow(*values)  # type: ignore[arg-type]
    return row._replace(complete=bool(row.complete))
