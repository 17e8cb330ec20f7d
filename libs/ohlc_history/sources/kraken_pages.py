"""Saved bodies of Kraken's ``/0/public/Trades``: one a file, or one a line.

Rows have 7 fields, or 6 in the years before Kraken told trade ids. Row times are rounded floats;
their decimal text is cut to microseconds.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from ohlc_history.sources.headerless_csv import seconds_to_us
from ohlc_history.trade_table import RawBatch

_WITH_ID, _WITHOUT_ID = 7, 6
_decoder = msgspec.json.Decoder(float_hook=str)


class KrakenPage(NamedTuple):
    """One page: Kraken's name of the pair, and its rows with numbers as text."""

    pair: str
    rows: list[list[Any]]

    @property
    def has_ids(self) -> bool:
        """Whether its rows tell trade ids."""
        return bool(self.rows) and len(self.rows[0]) >= _WITH_ID


def read_pages(path: Path) -> list[KrakenPage] | None:
    """Return the pages in a file, or None when it holds something else."""
    body = path.read_bytes()
    try:
        return [_page(_decoder.decode(body))]
    except (msgspec.MsgspecError, ValueError):
        pass
    try:
        return [_page(_decoder.decode(line)) for line in body.splitlines() if line.strip()]
    except (msgspec.MsgspecError, ValueError):
        return None


def _page(body: Any) -> KrakenPage:  # noqa: ANN401 - any JSON
    """Return the page.

    Raises:
        ValueError: the JSON is no page of trades (Kraken's candles look alike).
    """
    result = body.get("result") if isinstance(body, dict) else None
    pairs = [key for key in result if key != "last"] if isinstance(result, dict) else []
    if len(pairs) != 1 or not isinstance(result, dict):
        raise ValueError("not an answer of Kraken's Trades")
    rows = result[pairs[0]]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError("not an answer of Kraken's Trades")
    if rows and not any(_looks_like_trade(row) for row in rows):
        raise ValueError("rows are no trades")
    return KrakenPage(pairs[0], rows)


def _looks_like_trade(row: list[Any]) -> bool:
    return len(row) in (_WITH_ID, _WITHOUT_ID) and row[3] in ("b", "s")


def pages_to_batches(part: str, pages: list[KrakenPage]) -> Iterator[RawBatch]:
    """Yield a file's pages as raw batches, each a part of its own because pages overlap."""
    for number, page in enumerate(pages):
        if page.rows:
            name = part if len(pages) == 1 else f"{part}, line {number + 1}"
            yield _batch(name, page)


def _batch(part: str, page: KrakenPage) -> RawBatch:
    fields = _WITH_ID if page.has_ids else _WITHOUT_ID
    cells = [
        [_cell(cell) for cell in row] if len(row) == fields else [None] * fields
        for row in page.rows
    ]
    names = ["price", "quantity", "time", "side", "kind", "misc", "trade_id"][:fields]
    table = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row")
    if not page.has_ids:
        table = table.with_columns(pl.lit(None, pl.String).alias("trade_id"))
    trades = table.select(
        "trade_id",
        "price",
        "quantity",
        pl.col("side").replace_strict({"b": "buy", "s": "sell"}, default=None).alias("side"),
        seconds_to_us(pl.col("time")).alias("timestamp_us"),
    )
    origin = pl.DataFrame({"row": [msgspec.json.encode(row).decode() for row in page.rows]})
    return RawBatch(part, trades, origin, page.has_ids)


def _cell(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
