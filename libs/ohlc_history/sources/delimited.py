"""Delimited text files, read in blocks of some megabytes: memory does not grow with the file.

Polars parses the blocks. Only where a row is rejected, its line is looked up in the block's text.
"""

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import polars as pl

from ohlc_history.sources.archive import DataFile, opened, readable
from ohlc_history.sources.base import SourceError
from ohlc_history.sources.layouts import Layout
from ohlc_history.sources.values import in_time_range, side, slow_time_us, time_us, trade_id
from ohlc_history.trade_table import RawBatch

#: Whether a spelling of a product is the wanted one's.
IsWanted = Callable[[str], bool]

_BLOCK_BYTES = 8 << 20
# The first block is read when the file is looked at: a folder may hold thousands.
_FIRST_BLOCK_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 20
_PLAIN_ID = r"^[1-9][0-9]{0,17}$"
_HEAD_BYTES = 1 << 16
_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def head_lines(file: DataFile, limit: int = 1_000) -> list[str]:
    """Return the first whole lines of a text file, without a byte-order mark.

    Raises:
        SourceError: it cannot be read.
    """
    with opened(file) as stream, readable(file.part):
        block = _first_block(file.part, stream)
        rest = b"" if len(block) >= _HEAD_BYTES else stream.read(_HEAD_BYTES - len(block))
    block += rest
    lines = block.decode(errors="replace").splitlines()
    return (lines[:-1] if len(block) >= _HEAD_BYTES and len(lines) > 1 else lines)[:limit]


def read_rows(file: DataFile, layout: Layout, is_wanted: IsWanted | None) -> Iterator[RawBatch]:
    """Yield a file's rows.

    Args:
        file: the file.
        layout: of its rows.
        is_wanted: whether a spelling in the product column is the wanted product's; None where
            the file has no such column.

    Raises:
        SourceError: the file is damaged, or its times are of mixed units.
    """
    row, skip = 1, layout.header_lines
    for block in _blocks(file):
        text = block
        for _ in range(skip):
            _, _, text = text.partition(b"\n")
        skip = 0
        frame = _parsed(text, layout)
        if frame.height:
            payload = partial(_line, text, frame, layout.delimiter)
            yield from rows_of(
                file.part, layout, frame, payload=payload, row=row, is_wanted=is_wanted
            )
            row += frame.height


def rows_of(
    part: str,
    layout: Layout,
    frame: pl.DataFrame,
    *,
    payload: Callable[[int], str],
    row: int,
    is_wanted: IsWanted | None,
) -> Iterator[RawBatch]:
    """Yield the rows of a frame of text columns ``c0``, ``c1``, ..., of the wanted product."""
    batch = _batch(part, layout, frame, payload, row)
    if is_wanted is not None:
        batch = _of_product(batch, frame[f"c{layout.columns['product_id']}"], is_wanted)
    if batch.trades.height:
        yield batch


def _parsed(text: bytes, layout: Layout) -> pl.DataFrame:
    """Return the block's fields as text, one column each, blanks around them removed."""
    if not text.strip():
        return pl.DataFrame(schema={f"c{place}": pl.String for place in range(layout.width)})
    # One column more than there should be shows rows that are too long.
    schema = {f"c{place}": pl.String for place in range(layout.width + 1)}
    quote = '"' if b'"' in text else None
    try:
        frame = pl.read_csv(
            io.BytesIO(text),
            has_header=False,
            schema=schema,
            separator=layout.delimiter,
            quote_char=quote,
            truncate_ragged_lines=True,
            missing_columns="insert",
            encoding="utf8-lossy",
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        why = " ".join(str(error)[:600].split())[:200]
        raise SourceError(
            f"holds lines that cannot be split into columns ({why}); correct it"
        ) from None
    if b" " in text or b"\r" in text:
        frame = frame.with_columns(pl.all().str.strip_chars())
    is_blank = frame.select(pl.all_horizontal(pl.all().is_null() | (pl.all() == ""))).to_series()
    return frame.filter(~is_blank) if is_blank.any() else frame


def _batch(
    part: str, layout: Layout, frame: pl.DataFrame, payload: Callable[[int], str], row: int
) -> RawBatch:
    has_ids = layout.ids != "none"
    columns = layout.columns
    # A row with too many fields is no trade: a field among them may have moved.
    extra = f"c{layout.width}"
    fits = pl.col(extra).is_null() if extra in frame.columns else pl.lit(value=True)

    def cell(meaning: str) -> pl.Expr:
        return pl.when(fits).then(pl.col(f"c{columns[meaning]}"))

    words = None if layout.sides is None else dict(layout.sides)
    no_side = pl.lit("unknown")
    trades = frame.select(
        _ids(frame, layout, cell).alias("trade_id"),
        cell("price").alias("price"),
        cell("quantity").alias("quantity"),
        (side(cell("side"), words) if "side" in columns else no_side).alias("side"),
        time_us(cell("timestamp"), layout.times).alias("timestamp_us"),
    ).with_columns(in_time_range(pl.col("timestamp_us")))
    slow = partial(_slow_time, part, layout, frame)
    return RawBatch(part, trades, payload, has_ids, row, slow)


def _ids(frame: pl.DataFrame, layout: Layout, cell: Callable[[str], pl.Expr]) -> pl.Expr:
    if layout.ids == "none":
        return pl.lit(None, pl.String)
    if layout.ids == "numbers":
        texts = frame[f"c{layout.columns['trade_id']}"]
        if texts.str.contains(_PLAIN_ID).fill_null(value=False).all():
            return cell("trade_id")
    return trade_id(cell("trade_id"), layout.ids)


def _slow_time(part: str, layout: Layout, frame: pl.DataFrame, position: int) -> int | None:
    text = frame[f"c{layout.columns['timestamp']}"][position]
    try:
        return slow_time_us(text or "", layout.times)
    except SourceError as error:
        title = layout.titles[layout.columns["timestamp"]]
        raise SourceError(f"{part}: column {title} {error}") from None


def _line(text: bytes, frame: pl.DataFrame, delimiter: str, position: int) -> str:
    """Return a row as it stands in the file; its fields where lines and rows differ."""
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip(" \t,;|")]
    if len(lines) == frame.height:
        return lines[position]
    return delimiter.join(str(cell) for cell in frame.row(position) if cell)


def _of_product(batch: RawBatch, spellings: pl.Series, is_wanted: IsWanted) -> RawBatch:
    names = [name for name in spellings.unique().to_list() if name and is_wanted(name)]
    wanted = spellings.is_in(names)
    if wanted.all():
        return batch
    positions, slow, payload = wanted.arg_true(), batch.slow_time, batch.payload
    return batch._replace(
        trades=batch.trades.filter(wanted),
        payload=lambda position: payload(positions[position]),
        slow_time=None if slow is None else lambda position: slow(positions[position]),
        first_row=0,
    )


def _blocks(file: DataFile) -> Iterator[bytes]:
    """Yield whole lines, some megabytes at a time.

    Raises:
        SourceError: it is damaged, or a line is too long for a trade.
    """
    with opened(file) as stream, readable(file.part):
        rest, size = _first_block(file.part, stream), _FIRST_BLOCK_BYTES
        while block := stream.read(size):
            size = _BLOCK_BYTES
            whole, newline, tail = block.rpartition(b"\n")
            if not newline:
                rest += block
                if len(rest) > _MAX_LINE_BYTES + _BLOCK_BYTES:
                    raise SourceError(
                        f"{file.part}: has a line of more than {_MAX_LINE_BYTES:,} bytes, which is "
                        "no trade"
                    )
                continue
            yield rest + whole
            rest = tail
    if rest:
        yield rest


def _first_block(part: str, stream: IO[bytes]) -> bytes:
    """Return the first bytes without a byte-order mark.

    Raises:
        SourceError: the text is UTF-16.
    """
    first = stream.read(3)
    for mark, encoding in _BOMS.items():
        if first.startswith(mark):
            if encoding != "utf-8":
                raise SourceError(f"{part}: is text in UTF-16; save it as UTF-8")
            return first[len(mark) :]
    return first


def tail_rows(file: DataFile, layout: Layout) -> list[list[str]]:
    """Return the fields of the last lines of a large plain file; none of any other."""
    path = file.path
    size = path.stat().st_size
    if file.member is not None or file.is_packed or size < _FIRST_BLOCK_BYTES:
        return []
    with path.open("rb") as stream:
        stream.seek(max(0, size - _HEAD_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()[1:]
    return [[cell.strip(' "') for cell in line.split(layout.delimiter)] for line in lines]
