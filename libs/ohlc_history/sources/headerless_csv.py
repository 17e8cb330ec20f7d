"""Text files of one trade a line, and zips of them: layouts told by their fields.

A field count alone would not do: Kraken's newer layout and Binance's both have seven. None of
these formats quotes its fields.
"""

import gzip
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import polars as pl

from ohlc_history.trade_table import UNKNOWN_SIDE, RawBatch

_BLOCK_BYTES = 2 << 20
_NUMBER = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?")
_ALL_DIGITS = r"^[0-9]+$"


class Layout(NamedTuple):
    """How a line is to be read.

    Attributes:
        name: for messages.
        has_ids: whether lines tell trade ids.
        fields: how many there are.
        columns: the trade table's columns from the list column ``f`` of fields.
    """

    name: str
    has_ids: bool
    fields: int
    columns: Callable[[], list[pl.Expr]]


def _field(index: int) -> pl.Expr:
    return pl.col("f").struct.field(f"field_{index}")


def seconds_to_us(text: pl.Expr) -> pl.Expr:
    """Return the microseconds of decimal seconds, cut off, never through a float."""
    whole = text.str.extract(r"^([0-9]+)(?:\.[0-9]*)?$", 1)
    fraction = text.str.extract(r"^[0-9]+\.([0-9]{1,6})", 1).fill_null("")
    return pl.concat_str(whole, fraction.str.pad_end(6, "0")).cast(pl.Int64, strict=False)


def _binance_us(text: pl.Expr) -> pl.Expr:
    """Return microseconds: Binance's spot files tell ms until 2024 and us from 2025 on."""
    number = pl.when(text.str.contains(_ALL_DIGITS)).then(text).cast(pl.Int64, strict=False)
    return pl.when(number < 100_000_000_000_000).then(number * 1_000).otherwise(number)


def _kraken_3() -> list[pl.Expr]:
    return [
        pl.lit(None, pl.String).alias("trade_id"),
        _field(1).alias("price"),
        _field(2).alias("quantity"),
        pl.lit(UNKNOWN_SIDE).alias("side"),
        seconds_to_us(_field(0)).alias("timestamp_us"),
    ]


def _kraken_7() -> list[pl.Expr]:
    return [
        _field(6).alias("trade_id"),
        _field(0).alias("price"),
        _field(1).alias("quantity"),
        _field(3).replace_strict({"b": "buy", "s": "sell"}, default=None).alias("side"),
        seconds_to_us(_field(2)).alias("timestamp_us"),
    ]


def _binance() -> list[pl.Expr]:
    # isBuyerMaker: the buyer's order rested in the book, so the taker sold.
    taker = {"true": "sell", "false": "buy"}
    return [
        _field(0).alias("trade_id"),
        _field(1).alias("price"),
        _field(2).alias("quantity"),
        _field(5).str.to_lowercase().replace_strict(taker, default=None).alias("side"),
        _binance_us(_field(4)).alias("timestamp_us"),
    ]


KRAKEN_3 = Layout("Kraken time and sales, 3 fields", False, 3, _kraken_3)
KRAKEN_7 = Layout("Kraken time and sales, 7 fields", True, 7, _kraken_7)
BINANCE = Layout("Binance trades", True, 7, _binance)


def layout_of(lines: list[str]) -> Layout | None:
    """Return the layout of these first lines of a file (a header may lead), or None."""
    found = [layout for line in lines[1:] or lines if (layout := _layout_of_line(line))]
    return found[0] if found and all(layout is found[0] for layout in found) else None


def _layout_of_line(line: str) -> Layout | None:
    fields = line.strip().split(",")
    numeric = [bool(_NUMBER.fullmatch(field)) for field in fields]
    if len(fields) == 3 and all(numeric):
        return KRAKEN_3
    if len(fields) == 7 and all(numeric[:3]) and fields[3] in ("b", "s"):
        return KRAKEN_7
    if len(fields) == 7 and all(numeric[:5]) and fields[5].lower() in ("true", "false"):
        return BINANCE
    return None


@contextmanager
def opened(path: Path, member: str | None) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a plain or gzipped file, or a member of a zip, for reading bytes."""
    if member is not None:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    elif path.suffix == ".gz":
        with gzip.open(path, "rb") as packed:
            yield packed
    else:
        with path.open("rb") as plain:
            yield plain


def first_lines(path: Path, member: str | None, limit: int = 20) -> list[str]:
    """Return the first whole lines of a text file."""
    with opened(path, member) as file:
        block = file.read(1 << 16)
    lines = block.decode(errors="replace").splitlines()
    return (lines[:-1] if len(block) == 1 << 16 else lines)[:limit]


def read_lines(part: str, path: Path, member: str | None, layout: Layout) -> Iterator[RawBatch]:
    """Yield a file's rows in blocks of some megabytes; memory does not grow with the file."""
    is_first = True
    for lines in _blocks(path, member):
        rows = lines.filter(lines.str.len_chars() > 0)
        if is_first and rows.len() and _layout_of_line(rows[0]) is None and rows[0][:1].isalpha():
            rows = rows.slice(1)  # the header
        is_first = False
        if rows.len():
            yield _batch(part, layout, rows)


def _blocks(path: Path, member: str | None) -> Iterator[pl.Series]:
    rest = b""
    with opened(path, member) as file:
        while block := file.read(_BLOCK_BYTES):
            whole, newline, tail = block.rpartition(b"\n")
            if not newline:
                rest += block
                continue
            yield _series(rest + whole)
            rest = tail
    if rest:
        yield _series(rest)


def _series(block: bytes) -> pl.Series:
    text = block.decode(errors="replace").replace("\r", "")
    return pl.Series("line", text.split("\n"), pl.String)


def _batch(part: str, layout: Layout, lines: pl.Series) -> RawBatch:
    origin = lines.to_frame()
    # A line of another number of fields is no trade: all its columns become null.
    whole = pl.col("line").str.count_matches(",", literal=True) == layout.fields - 1
    fields = pl.when(whole).then(pl.col("line")).str.split_exact(",", layout.fields - 1)
    trades = origin.select(fields.alias("f")).select(layout.columns())
    return RawBatch(part, trades, origin, layout.has_ids)
