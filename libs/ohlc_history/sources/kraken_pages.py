"""Saved bodies of Kraken's ``/0/public/Trades``: one a file, or one a line.

Rows have 7 fields, or 6 in the years before Kraken provided trade ids. Row times are rounded
floats; their decimal text is cut to microseconds.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import polars as pl

from ohlc_history.sources.archive import DataFile
from ohlc_history.sources.frames import json_rows
from ohlc_history.sources.values import TimeFormat, in_time_range, side, time_us, trade_id
from ohlc_history.trade_table import RawBatch

_WITH_ID, _WITHOUT_ID = 7, 6
_NAMES = ("price", "quantity", "time", "side", "kind", "misc", "trade_id")


class KrakenPage(NamedTuple):
    """One page: Kraken's name of the pair, and its rows with numbers as text."""

    pair: str
    rows: list[list[Any]]

    @property
    def has_ids(self) -> bool:
        """Whether its rows provide trade ids."""
        return bool(self.rows) and len(self.rows[0]) >= _WITH_ID


def read_pages(file: DataFile) -> list[KrakenPage] | None:
    """Return the pages in a file, or None when it holds something else.

    Raises:
        SourceError: it is damaged, or too large to be read at once.
    """
    rows = json_rows(file)
    if rows is None:
        return None
    try:
        return [_page(body) for body in rows]
    except ValueError:
        return None


def _page(body: Any) -> KrakenPage:  # noqa: ANN401 - any JSON
    """Return the page.

    Raises:
        ValueError: the JSON is no page of trades (Kraken's candles look alike).
    """
    result = body.get("result") if isinstance(body, dict) else None
    pairs = [key for key in result if key != "last"] if isinstance(result, dict) else []
    if len(pairs) != 1 or not isinstance(result, dict):
        raise ValueError("not a response of Kraken's Trades")
    rows = result[pairs[0]]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError("not a response of Kraken's Trades")
    if rows and not any(_looks_like_trade(row) for row in rows):
        raise ValueError("rows are no trades")
    return KrakenPage(pairs[0], rows)


def _looks_like_trade(row: list[Any]) -> bool:
    return len(row) in (_WITH_ID, _WITHOUT_ID) and row[3] in ("b", "s")


def page_batch(part: str, page: KrakenPage) -> RawBatch:
    """Return a page's rows."""
    fields = _WITH_ID if page.has_ids else _WITHOUT_ID
    cells = [
        [_cell(cell) for cell in row] if len(row) == fields else [None] * fields
        for row in page.rows
    ]
    table = pl.DataFrame(cells, schema=dict.fromkeys(_NAMES[:fields], pl.String), orient="row")
    no_id = pl.lit(None, pl.String)
    trades = table.select(
        (trade_id(pl.col("trade_id"), "numbers") if page.has_ids else no_id).alias("trade_id"),
        "price",
        "quantity",
        side(pl.col("side")).alias("side"),
        time_us(pl.col("time"), TimeFormat("s")).alias("timestamp_us"),
    ).with_columns(in_time_range(pl.col("timestamp_us")))

    def payload(position: int) -> str:
        return msgspec.json.encode(page.rows[position]).decode()

    return RawBatch(part, trades, payload, page.has_ids, 1)


def page_batches(part: str, pages: list[KrakenPage]) -> Iterator[tuple[str, RawBatch]]:
    """Yield each page's pair with its rows, as a part of its own: pages may overlap like files."""
    for number, page in enumerate(pages):
        if page.rows:
            name = part if len(pages) == 1 else f"{part}, line {number + 1}"
            yield page.pair, page_batch(name, page)


def _cell(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
