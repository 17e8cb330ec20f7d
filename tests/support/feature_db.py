"""A local feature store: written as the writer does, read with the standard library alone."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ohlc_core.domain.candle import Candle
from ohlc_features.define.loading import load_definitions
from ohlc_features.replacement import newest_windows, settle
from ohlc_features.schema import FeatureRow, Origin, feature_row
from ohlc_features.sql.store import LocalStore


def write_candles(url: str, definitions: Path | None, *batches: list[Candle]) -> None:
    """Write batches of candles with a writer that keeps up the feature groups of a file, if any."""
    groups = load_definitions(definitions) if definitions else []
    store = LocalStore.open(url, "ohlc", 1, definitions=groups)
    try:
        for batch in batches:
            store.write(batch)
    finally:
        store.close()


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


def expected_rows(
    candles: Iterable[Candle], origin: Origin = "live", *, write_incomplete: bool = False
) -> StoredRows:
    """Return what must be in the store once ``candles`` were written, whenever that was."""
    rows = [feature_row(candle, origin) for candle in candles]
    standing = settle({}, rows, lambda _: write_incomplete).rows
    latest = newest_windows(standing.values())
    return StoredRows(
        [standing[key]._replace(origin="live") for key in sorted(standing)],
        [latest[key]._replace(origin="live") for key in sorted(latest)],
    )


def _row(values: tuple[object, ...]) -> FeatureRow:
    """Return what the row says, without who wrote it when: what live and backfill share."""
    row = FeatureRow(*values)  # type: ignore[arg-type]
    assert row.stored_at > 0
    return row._replace(complete=bool(row.complete), origin="live", stored_at=0)
