"""Files of history: which of them hold trades, of which product, and in which order.

REPLAY_PATH may be a file, a folder (its own files, not its subfolders') or a glob. A file's
product is read from its content where it tells (Kraken pages, a product column), else from its
name (``XBTUSD.csv``, ``BTCUSDT-trades-2024-01.zip``). Zips count as folders of their members.
"""

import glob
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from loguru import logger

from ohlc_core.errors import SettingsError
from ohlc_core.messages.records import Source as SourceName
from ohlc_exchanges.base import Position
from ohlc_history.sources.base import SourceError
from ohlc_history.sources.column_files import column_files
from ohlc_history.sources.headerless_csv import Layout, first_lines, layout_of, read_lines
from ohlc_history.sources.kraken_pages import pages_to_batches, read_pages
from ohlc_history.sources.products import ProductNames
from ohlc_history.trade_table import RawBatch, clean

# Trades are in the exchange's order, in which stamps may step back by less than this.
_MARGIN_US = 60_000_000

_TEXT = (".csv", ".txt", ".csv.gz", ".txt.gz")
_PAGES = (".json", ".jsonl")
_PARQUET = (".parquet", ".pq")


class HistoryFile(NamedTuple):
    """A file, or a part of one, that holds trades of one product.

    Attributes:
        part: its name in messages.
        product_id: the configured product.
        first_us: its first trade's event time.
        read: yields its rows.
    """

    part: str
    product_id: str
    first_us: int
    read: Callable[[], Iterator[RawBatch]]


class FileSource:
    """A `TradeSource` over the files at REPLAY_PATH.

    Args:
        path: REPLAY_PATH.
        product_ids: the products wanted.
        sequential: whether the exchange's ids count up by trade.

    Raises:
        SettingsError: no file of it holds trades of the products.
    """

    name: SourceName = "file"
    is_live = False

    def __init__(self, path: str, product_ids: Sequence[str], *, sequential: bool) -> None:
        lone_file = Path(path).expanduser().is_file() and not path.lower().endswith(".zip")
        names = ProductNames(product_ids, lone_file=lone_file)
        self.files: Mapping[str, list[HistoryFile]] = {product: [] for product in product_ids}
        for file in _history_files(path, names, sequential=sequential):
            self.files[file.product_id].append(file)
        for files in self.files.values():
            files.sort(key=lambda file: (file.first_us, file.part))

    def first_us(self, product_id: str) -> int | None:
        """Return the event time of the product's first trade, or None when there is none."""
        files = self.files[product_id]
        return files[0].first_us if files else None

    def batches(
        self, product_id: str, from_us: int, to_us: int, after: Position | None
    ) -> Iterator[RawBatch]:
        """Yield the product's files one after the other, leaving out those outside."""
        begin_us = max(from_us, 0 if after is None else after.timestamp_us) - _MARGIN_US
        files = self.files[product_id]
        for number, file in enumerate(files):
            ends_before = number + 1 < len(files) and files[number + 1].first_us <= begin_us
            if not ends_before and file.first_us < to_us + _MARGIN_US:
                yield from file.read()


def _history_files(path: str, names: ProductNames, *, sequential: bool) -> Iterator[HistoryFile]:
    found, refused = 0, []
    for file in _paths(path):
        try:
            for history in _read_heads(file, names, sequential=sequential):
                found += 1
                yield history
        except (SourceError, OSError, EOFError, zipfile.BadZipFile) as error:
            refused.append(f"{file.name}: {error}")
    if not found:
        reasons = "; ".join(refused[:3]) or "it is empty"
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise SettingsError(
            f"REPLAY_PATH was {path!r}, where no file holds trades of PRODUCT_IDS "
            f"{','.join(names.product_ids)} ({reasons}{more})"
        )
    for reason in refused:
        logger.warning("left out {}", reason)


def _paths(path: str) -> list[Path]:
    folder = Path(path).expanduser()
    if folder.is_dir():
        found = [file for file in folder.iterdir() if file.is_file()]
    elif folder.is_file():
        found = [folder]
    else:
        matches = glob.glob(str(folder), recursive=True)
        found = [file for match in matches if (file := Path(match)).is_file()]
    if not found:
        raise SettingsError(
            f"REPLAY_PATH was {path!r}, where there is no file; allowed: a file, folder or glob"
        )
    return sorted(file for file in found if not file.name.startswith("."))


def _read_heads(path: Path, names: ProductNames, *, sequential: bool) -> Iterator[HistoryFile]:
    """Yield what a file holds of the products.

    Raises:
        SourceError: it holds no trades, or of no product wanted.
    """
    name = path.name.lower()
    if name.endswith(".zip"):
        yield from _zip_members(path, names)
    elif name.endswith(_PAGES):
        yield _pages_file(path, names)
    elif name.endswith(_PARQUET):
        yield from _column_files(path, names, sequential=sequential)
    elif name.endswith(_TEXT):
        layout = layout_of(first_lines(path, None))
        if layout is None:
            yield from _column_files(path, names, sequential=sequential)
        else:
            yield _lines_file(path, None, layout, names)
    else:
        raise SourceError(f"not one of {' '.join((*_TEXT, *_PAGES, *_PARQUET, '.zip'))}")


def _zip_members(path: Path, names: ProductNames) -> Iterator[HistoryFile]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if member.lower().endswith(".csv")]
    wanted = [member for member in members if names.find_in_file_name(_stem(member)) is not None]
    if not wanted:
        raise SourceError("no member is named after one of the products")
    for member in wanted:
        layout = layout_of(first_lines(path, member))
        if layout is None:
            raise SourceError(f"{member} has no layout of trades that is known")
        yield _lines_file(path, member, layout, names)


def _lines_file(path: Path, member: str | None, layout: Layout, names: ProductNames) -> HistoryFile:
    part = path.name if member is None else f"{path.name}/{member}"
    product_id = names.find_in_file_name(_stem(member or path.name))
    if product_id is None:
        raise SourceError(
            "which product it holds can not be told from its name; name it like BTCUSD.csv "
            "after one of PRODUCT_IDS"
        )
    read = partial(read_lines, part, path, member, layout)
    return HistoryFile(part, product_id, _first_us(part, read), read)


def _pages_file(path: Path, names: ProductNames) -> HistoryFile:
    pages = read_pages(path)
    if pages is None:
        raise SourceError("not an answer of Kraken's Trades")
    product_id = names.find(pages[0].pair) if pages else None
    if product_id is None:
        pair = pages[0].pair if pages else "nothing"
        raise SourceError(f"holds {pair}, which is none of PRODUCT_IDS")
    first_us = _first_us(path.name, partial(pages_to_batches, path.name, pages))
    return HistoryFile(path.name, product_id, first_us, partial(_read_pages, path))


def _read_pages(path: Path) -> Iterator[RawBatch]:
    yield from pages_to_batches(path.name, read_pages(path) or [])


def _column_files(path: Path, names: ProductNames, *, sequential: bool) -> Iterator[HistoryFile]:
    by_name = names.find_in_file_name(_stem(path.name))
    for file in column_files(path, names, by_name, sequential=sequential):
        yield HistoryFile(path.name, file.product_id, file.first_us, file.read)


def _first_us(part: str, read: Callable[[], Iterator[RawBatch]]) -> int:
    for batch in read():
        table, _ = clean(batch)
        if table.height:
            return int(table["timestamp_us"][0])
    raise SourceError(f"{part} holds no trade")


def _stem(name: str) -> str:
    return Path(name).name.split(".")[0]
