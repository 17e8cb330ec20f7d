"""Files of history: which of them hold trades, of which product, and what was left out.

REPLAY_PATH may be a file, a folder (its own files, not its subfolders') or a glob. A file's
product is read from its content where that names it (Kraken pages, a product column), else from
its name (``XBTUSD.csv``, ``BTCUSDT-trades-2024-01.zip``). Zips count as folders of their members.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from ohlc_core.errors import FatalError, SettingsError
from ohlc_core.messages.records import Source as SourceName
from ohlc_exchanges.base import Position
from ohlc_history.sources.archive import DataFile, members_of, paths_at
from ohlc_history.sources.base import LeftOut, NotTradesError, SourceError
from ohlc_history.sources.delimited import IsWanted, head_lines, read_rows
from ohlc_history.sources.external_sort import SortedCopy, order_of
from ohlc_history.sources.file_periods import end_by_name, end_by_tail
from ohlc_history.sources.frames import feather_file, json_file, parquet_file
from ohlc_history.sources.kraken_pages import KrakenPage, page_batches, read_pages
from ohlc_history.sources.layouts import layout_of
from ohlc_history.sources.merge import OrderedFile, merged
from ohlc_history.sources.products import ProductNames
from ohlc_history.trade_table import Batch, RawBatch, clean

_TEXT = (".csv", ".txt", ".tsv")
_PAGES = (".json", ".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
_FEATHER = (".feather", ".arrow")
_KNOWN = (*_TEXT, *_PAGES, *_PARQUET, *_FEATHER)

# Trades are in the exchange's order, in which stamps may step back by less than this.
_MARGIN_US = 60_000_000
# Ids made of a time have more digits than any count of trades.
_COUNT_DIGITS = 15

_Rows = Callable[[], Iterator[RawBatch]]


class FileSource:
    """A `TradeSource` over the files at REPLAY_PATH.

    Attributes:
        left_out: files that could not be used, and why.
        not_trades: files that are whole and hold something else than trades.

    Args:
        path: REPLAY_PATH.
        product_ids: the products wanted.
        sequential: whether the exchange's ids count up by trade.

    Raises:
        SettingsError: the path names no file, or only files of other products.
        FatalError: no file of it can be read; the text says why.
    """

    name: SourceName = "file"
    is_live = False

    def __init__(self, path: str, product_ids: Sequence[str], *, sequential: bool) -> None:
        self._sequential = sequential
        self._path = path
        paths = paths_at(path)
        lone_file = len(paths) == 1 and not paths[0].name.lower().endswith(".zip")
        self._names = ProductNames(product_ids, lone_file=lone_file)
        self._files: Mapping[str, list[OrderedFile]] = {product: [] for product in product_ids}
        self._empty: dict[str, list[str]] = {product: [] for product in product_ids}
        self.not_trades: list[LeftOut] = []
        self._left_out: list[LeftOut] = []
        self.left_out: Sequence[LeftOut] = self._left_out
        others = 0
        for file in paths:
            others += self._look_at(file.name, partial(self._members, DataFile(file)))
        self._check_found(others)

    def first_us(self, product_id: str) -> int | None:
        """Return the event time of the product's first trade, or None when there is none."""
        return min((file.first_us for file in self._files[product_id]), default=None)

    def end_us(self, product_id: str) -> int | None:
        """Return a time behind the product's last trade, or None where not all files show one."""
        ends = [file.end_us for file in self._files[product_id]]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def parts(self, product_id: str) -> int:
        """Return how many files hold the product's trades."""
        return len(self._files[product_id])

    def empty_parts(self, product_id: str) -> list[str]:
        """Return the files that are the product's and hold no row."""
        return self._empty[product_id]

    def batches(
        self, product_id: str, from_us: int, to_us: int, after: Position | None
    ) -> Iterator[Batch]:
        """Yield the trades of the product's files, each once, in the exchange's order."""
        begin_us = max(from_us, 0 if after is None else after.timestamp_us) - _MARGIN_US
        files = [
            file
            for file in self._files[product_id]
            if file.first_us < to_us + _MARGIN_US
            and (file.end_us is None or file.end_us >= begin_us)
        ]
        by_id = self._sequential and all(file.counts for file in files if file.has_ids)
        yield from merged(files, by_id=by_id)

    # --- looking at files ----------------------------------------------------------------

    def _look_at(self, part: str, files: Callable[[], Iterator[DataFile]]) -> int:
        """Note what each file holds; return how many are other products'."""
        others = 0
        try:
            for file in files():
                try:
                    others += self._note(file)
                except NotTradesError as error:
                    self.not_trades.append(LeftOut(file.part, _reason(file.part, error)))
                except SourceError as error:
                    self._leave_out(file.part, error)
        except SourceError as error:
            self._leave_out(part, error)
        return others

    def _leave_out(self, part: str, error: SourceError) -> None:
        self._left_out.append(LeftOut(part, _reason(part, error)))

    def _members(self, file: DataFile) -> Iterator[DataFile]:
        if file.name.endswith(".zip"):
            yield from members_of(file.path)
        else:
            yield file

    def _note(self, file: DataFile) -> bool:
        """Note a file's trades of the products. Return whether it is another product's.

        Raises:
            SourceError: it cannot be used.
        """
        name = file.name
        if not name.endswith(_KNOWN):
            raise SourceError(f"{file.part}: is none of {' '.join((*_KNOWN, '.zip'))}")
        if file.member is not None and name.endswith((*_PARQUET, *_FEATHER)):
            raise SourceError(f"{file.part}: unpack it first; only text is read inside a zip")
        if name.endswith(_PAGES):
            pages = read_pages(file)
            if pages is not None:
                return self._note_pages(file, pages)
        if file.member is not None and self._names.is_another(file.stem):
            return True
        return self._note_rows(file)

    def _note_pages(self, file: DataFile, pages: list[KrakenPage]) -> bool:
        is_another = bool(pages)
        for pair, batch in page_batches(file.part, pages):
            product_id = self._names.find(pair)
            if product_id is not None:
                is_another = False
                self._add(product_id, batch.part, partial(_one, batch))
        for page in pages:
            product_id = self._names.find(page.pair)
            if product_id is not None and not page.rows:
                is_another = False
                self._empty[product_id].append(file.part)
        return is_another

    def _note_rows(self, file: DataFile) -> bool:
        opened = _opened_rows(file)
        if opened is None:
            product_id = self._names.find_in_file_name(file.stem)
            if product_id is not None:
                self._empty[product_id].append(file.part)
            return product_id is None
        rows, has_product_column, end_us = opened
        if has_product_column:
            return self._note_column(file, rows, end_us)
        product_id = self._names.find_in_file_name(file.stem)
        if product_id is not None:
            self._add(product_id, file.part, partial(rows, None), end_us)
            return False
        if self._names.is_another(file.stem):
            return True
        raise SourceError(
            f"{file.part}: neither its name nor a column says which product it holds; name it "
            "like BTCUSD.csv after one of PRODUCT_IDS"
        )

    def _note_column(self, file: DataFile, rows: "_OpenedRows", end_us: int | None) -> bool:
        found = 0
        for product_id in self._files:
            wanted = partial(self._names.is_spelling, product_id)
            with suppress(_NoTradeError):
                self._add(product_id, file.part, partial(rows, wanted), end_us)
                found += 1
        return not found

    def _add(self, product_id: str, part: str, rows: _Rows, end_us: int | None = None) -> None:
        """Add a file of the product's, sorted where it is not."""
        head, rejected = None, 0
        for batch in map(clean, rows()):
            rejected += len(batch.rejected)
            if batch.table.height:
                head = batch
                break
        if head is None:
            if rejected:
                self._files[product_id].append(
                    OrderedFile(part, 0, True, self._sequential, partial(_cleaned, rows))
                )
                return
            raise _NoTradeError(f"{part}: holds no trade of {product_id}")
        by_id = self._sequential and head.has_ids and _is_number(head)
        order = order_of(head.table, by_id=by_id)
        read: Callable[[], Iterator[Batch]] = partial(_cleaned, rows)
        first = head.table
        if order != "ascending":
            copy = SortedCopy(read(), by_id=by_id, newest_first=order == "descending")
            read = copy.batches
            first = next(copy.batches()).table
        first_us = int(first["timestamp_us"][0])
        if order != "ascending":
            end_us = None
        elif end_us is None:
            end_us = end_by_name(part.rpartition("/")[2], first_us)
        ordered = OrderedFile(part, first_us, head.has_ids, _is_number(head), read, end_us)
        self._files[product_id].append(ordered)

    def _check_found(self, others: int) -> None:
        if any(self._files.values()):
            return
        reasons = [f"{left.part}: {left.reason}" for left in (*self.left_out, *self.not_trades)]
        reasons += [f"{part}: is empty" for parts in self._empty.values() for part in parts]
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        text = (
            f"REPLAY_PATH was {self._path!r}, where no file holds trades of PRODUCT_IDS "
            f"{','.join(self._names.product_ids)}"
        )
        if not reasons:
            raise SettingsError(f"{text}; {others} files are other products'")
        raise FatalError(f"{text} ({'; '.join(reasons[:3])}{more})")


def _reason(part: str, error: SourceError) -> str:
    return str(error).removeprefix(f"{part}: ")


class _NoTradeError(SourceError):
    """A file holds no trade of a product."""


_OpenedRows = Callable[[IsWanted | None], Iterator[RawBatch]]


def _opened_rows(file: DataFile) -> tuple[_OpenedRows, bool, int | None] | None:
    """Return what reads a file's rows, whether a column names the product, and its end.

    None for a file without any row.

    Raises:
        SourceError: it is of no known layout, or cannot be read.
    """
    if file.name.endswith((*_PARQUET, *_FEATHER, *_PAGES)):
        frames = (
            parquet_file(file) if file.name.endswith(_PARQUET)
            else feather_file(file) if file.name.endswith(_FEATHER)
            else json_file(file)
        )  # fmt: skip
        if frames.layout is None:
            return None
        return frames.rows, "product_id" in frames.layout.columns, None
    layout = layout_of(file.part, head_lines(file))
    if layout is None:
        return None
    rows = partial(read_rows, file, layout)
    return rows, "product_id" in layout.columns, end_by_tail(file, layout)


def _cleaned(rows: _Rows) -> Iterator[Batch]:
    return map(clean, rows())


def _is_number(batch: Batch) -> bool:
    trade_id = batch.table["trade_id"][0]
    return trade_id is not None and str(trade_id).isdecimal() and len(trade_id) <= _COUNT_DIGITS


def _one(batch: RawBatch) -> Iterator[RawBatch]:
    yield batch
