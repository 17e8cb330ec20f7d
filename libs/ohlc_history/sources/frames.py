"""Files that are read as frames: Parquet, Feather, and JSON of ccxt, freqtrade and exchanges."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import polars as pl

from ohlc_history.sources.archive import DataFile, opened, readable
from ohlc_history.sources.base import NotTradesError, SourceError
from ohlc_history.sources.delimited import IsWanted, rows_of
from ohlc_history.sources.layouts import Layout, meanings, named_layout
from ohlc_history.trade_table import RawBatch, row_payload

_ROWS = 65_536
_HEAD_ROWS = 1_000
_MAX_JSON_BYTES = 256 << 20
_FREQTRADE = ("timestamp", "id", "order_type", "side", "price", "amount", "cost")
_decoder = msgspec.json.Decoder(float_hook=str)


class FrameFile:
    """A file of rows with named columns.

    Args:
        part: its name in messages.
        titles: the columns' names.
        frames: yields the rows as text columns ``c0``, ``c1``, ... in the titles' order.

    Raises:
        SourceError: it has no columns of trades.
    """

    def __init__(
        self, part: str, titles: Sequence[str], frames: Callable[[], Iterator[pl.DataFrame]]
    ) -> None:
        self._part, self._titles, self._frames = part, titles, frames
        head = next((frame for frame in frames() if frame.height), None)
        self.layout: Layout | None = None
        if head is not None:
            rows = [[cell or "" for cell in row] for row in head.head(_HEAD_ROWS).iter_rows()]
            self.layout = named_layout(part, titles, rows, "", 0)

    def rows(self, is_wanted: IsWanted | None) -> Iterator[RawBatch]:
        """Yield the rows of the wanted product; see `read_rows`."""
        if self.layout is None:
            return
        row = 1
        for frame in self._frames():
            named = frame.rename(dict(zip(frame.columns, self._titles, strict=True)))
            yield from rows_of(
                self._part,
                self.layout,
                frame,
                payload=row_payload(named),
                row=row,
                is_wanted=is_wanted,
            )
            row += frame.height


def parquet_file(file: DataFile) -> FrameFile:
    """Open a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    with _arrow(file.part), pyarrow.parquet.ParquetFile(file.path) as held:
        titles = [str(name) for name in held.schema_arrow.names]

    def frames() -> Iterator[pl.DataFrame]:
        with _arrow(file.part), pyarrow.parquet.ParquetFile(file.path) as held:
            for batch in held.iter_batches(_ROWS):
                yield _texts(pl.DataFrame(batch))

    return FrameFile(file.part, titles, frames)


def feather_file(file: DataFile) -> FrameFile:
    """Open a Feather (Arrow IPC) file."""
    import pyarrow
    import pyarrow.feather

    with _arrow(file.part):
        titles = list(pyarrow.feather.read_table(file.path, columns=None).schema.names)

    def frames() -> Iterator[pl.DataFrame]:
        with _arrow(file.part):
            table = pyarrow.feather.read_table(file.path, memory_map=True)
            for batch in table.to_batches(_ROWS):
                yield _texts(pl.DataFrame(batch))

    return FrameFile(file.part, titles, frames)


def json_file(file: DataFile) -> FrameFile:
    """Open JSON rows: objects (ccxt and others), or freqtrade's lists.

    Raises:
        NotTradesError: it holds neither.
        SourceError: it is damaged, or too large to be read at once.
    """
    rows = json_rows(file)
    if rows is None:
        raise SourceError(f"{file.part}: is no valid JSON; fetch it again")
    if rows and all(isinstance(row, list) and len(row) == len(_FREQTRADE) for row in rows):
        titles: Sequence[str] = _FREQTRADE
        cells = [[_cell(value) for value in row] for row in rows]
    elif all(isinstance(row, dict) for row in rows):
        titles = list(dict.fromkeys(name for row in rows[:_HEAD_ROWS] for name in row))
        cells = [[_cell(row.get(name)) for name in titles] for row in rows]
        if not {"price", "quantity"} & meanings(titles).keys():
            raise NotTradesError(f"{file.part}: is JSON of something else than trades")
    else:
        raise NotTradesError(f"{file.part}: is JSON of something else than trades")
    schema = {f"c{place}": pl.String for place in range(len(titles))}
    frame = pl.DataFrame(cells, schema=schema, orient="row")
    return FrameFile(file.part, titles, lambda: iter(frame.iter_slices(_ROWS)))


def json_rows(file: DataFile) -> list[Any] | None:
    """Return a JSON array's items or the values of JSON lines; None for anything else."""
    body = read_json(file)
    try:
        whole = _decoder.decode(body)
        return whole if isinstance(whole, list) else [whole]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    try:
        return [_decoder.decode(line) for line in body.splitlines() if line.strip()]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def read_json(file: DataFile) -> bytes:
    """Return a JSON file's bytes.

    Raises:
        SourceError: it is damaged, or too large to be read at once.
    """
    with opened(file) as stream, readable(file.part):
        body = stream.read(_MAX_JSON_BYTES + 1)
    if len(body) > _MAX_JSON_BYTES:
        raise SourceError(
            f"{file.part}: is JSON of more than {_MAX_JSON_BYTES >> 20} MB; convert it to CSV, "
            "Parquet or Feather"
        )
    return body.removeprefix(b"\xef\xbb\xbf")


def _cell(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    columns = []
    for place, (name, kind) in enumerate(frame.schema.items()):
        column = pl.col(name)
        if isinstance(kind, pl.Datetime):
            text = column.dt.epoch("us").cast(pl.String)
        elif kind == pl.Date:
            text = column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.String)
        elif kind.is_nested() or kind in (pl.Binary, pl.Object):
            text = pl.lit(None, pl.String)
        else:
            text = column.cast(pl.String)
        columns.append(text.alias(f"c{place}"))
    return frame.select(columns)


@contextmanager
def _arrow(part: str) -> Iterator[None]:
    """Turn what Arrow raises into a SourceError of one line."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        words = " ".join(str(error).split())[:200]
        raise SourceError(f"{part}: is damaged ({words}); fetch it again") from None
