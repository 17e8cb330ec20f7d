"""A file's trades in order, where the file itself is not: sorted on disk, memory stays flat."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ohlc_history.sources.column_mapping import connect
from ohlc_history.trade_table import TRADE_TABLE, Batch, RejectedRow

_ROWS = 65_536
_ROW = "row"


def order_of(table: pl.DataFrame, *, by_id: bool) -> str:
    """Return whether the rows are ``ascending``, ``descending`` or in ``no`` order."""
    keys = table["trade_id"].cast(pl.Int64, strict=False) if by_id else table["timestamp_us"]
    if keys.is_sorted():
        return "ascending"
    return "descending" if keys.is_sorted(descending=True) else "no"


class SortedCopy:
    """The rows of a file, sorted once into a temporary file that ends with this object.

    Args:
        batches: the file's rows, in its order.
        by_id: whether ids count up by trade; else event time sorts.
        newest_first: whether rows of one event time stand in reverse, as all others do.
    """

    def __init__(self, batches: Iterator[Batch], *, by_id: bool, newest_first: bool) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ohlc-history-"))
        self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._rejected: list[RejectedRow] = []
        self._rows = 0
        self._part, self._has_ids = "", True
        self._write(batches)
        key = "CAST(trade_id AS BIGINT)" if by_id else "timestamp_us"
        row = f"{_ROW} DESC" if newest_first else _ROW
        with connect() as database:
            database.execute(
                f"COPY (SELECT * FROM read_parquet('{self._folder}/unsorted-*.parquet') "
                f"ORDER BY {key}, {row}) TO '{self._folder}/sorted.parquet' (FORMAT parquet)"
            )
        for path in self._folder.glob("unsorted-*"):
            path.unlink()

    def batches(self) -> Iterator[Batch]:
        """Yield the rows, ascending; with the first of them what was rejected."""
        import pyarrow.parquet

        rejected, unread = self._rejected, self._rows
        with pyarrow.parquet.ParquetFile(self._folder / "sorted.parquet") as file:
            for chunk in file.iter_batches(_ROWS):
                table = pl.DataFrame(chunk).select(TRADE_TABLE.names())
                yield Batch(self._part, table, rejected, self._has_ids, unread)
                rejected, unread = [], 0

    def _write(self, batches: Iterator[Batch]) -> None:
        written = 0
        for number, batch in enumerate(batches):
            self._part, self._has_ids = batch.part, batch.has_ids
            self._rejected += batch.rejected
            self._rows += batch.rows
            row = pl.Series(_ROW, range(written, written + batch.table.height), pl.Int64)
            written += batch.table.height
            numbered = batch.table.with_columns(row)
            numbered.write_parquet(self._folder / f"unsorted-{number:06}.parquet")
