"""Stable trade ids for sources that have none: ``<timestamp_us>-<ordinal>``.

The ordinal counts a product's trades of the same microsecond in the source's order, from 0, so
the ids depend neither on the batching nor on where a replay begins or was cut.
"""

import polars as pl

_CONTENT = ("price", "quantity", "side")


class IdMaker:
    """Makes the ids of one product; feed it every table of the source, in order.

    Files and pages may repeat the end of the one before. Rows of a part that begins before the
    newest known time get the ids they had; where a part begins exactly at it, the longest run
    of equal rows that ends the old part and begins the new one is taken for the same trades.
    """

    def __init__(self) -> None:
        self._part: str | None = None
        self._last_us = 0
        self._group: list[tuple[str, ...]] = []

    def assign(self, part: str, table: pl.DataFrame) -> pl.DataFrame:
        """Return the table with its ids filled in."""
        if table.is_empty():
            return table
        offset = self._offset(part, table)
        ordinal = pl.int_range(pl.len()).over("timestamp_us")
        ordinal += (
            pl.when(pl.col("timestamp_us") == table["timestamp_us"][0]).then(offset).otherwise(0)
        )
        made = table.with_columns(
            pl.concat_str(pl.col("timestamp_us"), pl.lit("-"), ordinal).alias("trade_id")
        )
        self._remember(table, offset)
        return made

    def _offset(self, part: str, table: pl.DataFrame) -> int:
        """Return the ordinal of the table's first row."""
        begins_part, self._part = part != self._part, part
        first_us = table["timestamp_us"][0]
        if first_us != self._last_us:
            return 0
        if not begins_part:
            return len(self._group)
        head = _rows_at(table, first_us)
        longest = min(len(head), len(self._group))
        repeated = next((n for n in range(longest, 0, -1) if self._group[-n:] == head[:n]), 0)
        return len(self._group) - repeated

    def _remember(self, table: pl.DataFrame, offset: int) -> None:
        last_us = table["timestamp_us"][-1]
        rows = _rows_at(table, last_us)
        if last_us == table["timestamp_us"][0]:
            rows = self._group[:offset] + rows
        self._last_us, self._group = last_us, rows


def _rows_at(table: pl.DataFrame, timestamp_us: int) -> list[tuple[str, ...]]:
    return table.filter(pl.col("timestamp_us") == timestamp_us).select(_CONTENT).rows()
