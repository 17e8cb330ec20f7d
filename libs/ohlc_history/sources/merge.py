"""Files that overlap, nest and repeat each other, made into one stream with each trade once.

Files are opened as the stream reaches their first trade and read side by side while they overlap.
Where ids count up by trade they say which trades are the same; where they do not, time and id do;
without ids the overlapping parts must agree trade by trade.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import polars as pl

from ohlc_history.deduplicate import DisorderError
from ohlc_history.sources.agreement import Covered, agreed
from ohlc_history.trade_table import TRADE_TABLE, Batch, RejectedRow

# One trade's time differs between files by as much as the coarser of them cuts off.
_SAME_TRADE_US = 1_000_000
_KEY = "key"


class OrderedFile(NamedTuple):
    """A file's trades of one product, ordered.

    Attributes:
        part: its name in messages.
        first_us: its first trade's event time.
        has_ids: whether it provides trade ids.
        counts: whether its ids are numbers that may count trades.
        read: yields its rows, ascending.
        end_us: a time behind its last trade, where that is known without reading all of it.
    """

    part: str
    first_us: int
    has_ids: bool
    counts: bool
    read: Callable[[], Iterator[Batch]]
    end_us: int | None = None


def merged(files: Sequence[OrderedFile], *, by_id: bool) -> Iterator[Batch]:
    """Yield the trades of all files, each once.

    Args:
        files: of one product.
        by_id: whether ids count up by trade.

    Raises:
        DisorderError: a file is not sorted, or files overlap and disagree; both are named.
        SourceError: a file cannot be read.
    """
    with_ids = [file for file in files if file.has_ids]
    without = [file for file in files if not file.has_ids]
    if with_ids and without:
        yield from _without_then_with(without, with_ids, by_id=by_id)
    elif without:
        yield from _Merge(without, _ByContent()).batches()
    else:
        yield from _Merge(with_ids, _ById() if by_id else _ByTime()).batches()


class _Rule:
    """How trades of several files are put in order.

    Attributes:
        takes_limit: whether all trades at a key are in one batch once it has been reached.
        margin_us: how far event times may step back in this order.
    """

    takes_limit = False
    margin_us = 0

    def keyed(self, part: str, table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(pl.col("timestamp_us").alias(_KEY))

    def joined(self, pieces: Sequence[Covered]) -> pl.DataFrame:
        raise NotImplementedError


class _ById(_Rule):
    takes_limit = True
    margin_us = 60_000_000

    def keyed(self, part: str, table: pl.DataFrame) -> pl.DataFrame:
        keyed = table.with_columns(pl.col("trade_id").cast(pl.Int64, strict=False).alias(_KEY))
        if keyed[_KEY].null_count():
            text = keyed.filter(pl.col(_KEY).is_null())["trade_id"][0]
            raise DisorderError(f"{part}: trade id {text!r} is no number, unlike the others")
        return keyed

    def joined(self, pieces: Sequence[Covered]) -> pl.DataFrame:
        rows = pl.concat([piece.table for piece in pieces]).sort(_KEY, maintain_order=True)
        _check_same(rows, [_KEY], pieces)
        return rows.unique(_KEY, keep="first", maintain_order=True)


class _ByTime(_Rule):
    def joined(self, pieces: Sequence[Covered]) -> pl.DataFrame:
        number = pl.col("trade_id").cast(pl.Int64, strict=False)
        rows = pl.concat([piece.table for piece in pieces])
        rows = rows.sort(_KEY, number, "trade_id", maintain_order=True, nulls_last=True)
        _check_same(rows, [_KEY, "trade_id"], pieces)
        return rows.unique([_KEY, "trade_id"], keep="first", maintain_order=True)


class _ByContent(_Rule):
    def joined(self, pieces: Sequence[Covered]) -> pl.DataFrame:
        return agreed(pieces)


def _check_same(rows: pl.DataFrame, key: list[str], pieces: Sequence[Covered]) -> None:
    """Refuse one id for several trades."""
    again = rows.filter(pl.struct(key).is_duplicated())
    if again.is_empty():
        return
    sums = again.group_by(key).agg(
        pl.struct("price", "quantity").n_unique().alias("kinds"),
        (pl.col("timestamp_us").max() - pl.col("timestamp_us").min()).alias("apart"),
    )
    bad = sums.filter((pl.col("kinds") > 1) | (pl.col("apart") >= _SAME_TRADE_US))
    if bad.is_empty():
        return
    trade_id = again.filter(pl.col(_KEY) == bad[_KEY].min())["trade_id"][0]
    names = " and ".join(piece.part for piece in pieces)
    raise DisorderError(
        f"{names}: trade id {trade_id} stands for different trades; the column does not identify "
        "trades: leave it out, or replay the files one by one"
    )


class _Stream:
    """One file being read: the rows that wait to be merged."""

    def __init__(self, file: OrderedFile, rule: _Rule) -> None:
        self.file = file
        self.waiting: pl.DataFrame | None = None
        self.is_over = False
        self._rule = rule
        self._batches = file.read()
        self._last: int | None = None
        self._first: int | None = None

    def fill(self, *, more: bool = False) -> tuple[list[RejectedRow], int]:
        """Read until rows wait (``more``: further ones); return what was rejected, and rows."""
        rejected: list[RejectedRow] = []
        rows = 0
        while (more or self.waiting is None) and not self.is_over:
            batch = next(self._batches, None)
            if batch is None:
                self.is_over = True
                break
            rejected += batch.rejected
            rows += batch.rows
            if batch.table.height:
                table = self._checked(self._rule.keyed(self.file.part, batch.table))
                self.waiting = table if self.waiting is None else pl.concat([self.waiting, table])
                more = False
        return rejected, rows

    def take(self, below: int | None, *, with_limit: bool) -> Covered | None:
        """Return the waiting rows up to a key (None: all), and where the file begins and ends."""
        table = self.waiting
        if table is None:
            return None
        if below is not None:
            key = pl.col(_KEY)
            table = table.filter(key <= below if with_limit else key < below)
            left = self.waiting.slice(table.height) if self.waiting is not None else table
        else:
            left = table.clear()
        if table.is_empty():
            return None
        self.waiting = left if left.height else None
        if self._first is None:
            self._first = int(table[_KEY][0])
        ends = self.is_over and self.waiting is None
        return Covered(self.file.part, table, self._first, int(table[_KEY][-1]) if ends else None)

    def _checked(self, table: pl.DataFrame) -> pl.DataFrame:
        keys = table[_KEY]
        if (self._last is not None and keys[0] < self._last) or not keys.is_sorted():
            raise DisorderError(
                f"{self.file.part}: its trades are not in order; sort it, or read it with "
                "REPLAY_SOURCE=sql, which sorts"
            )
        self._last = int(keys[-1])
        return table


class _Merge:
    def __init__(self, files: Sequence[OrderedFile], rule: _Rule) -> None:
        self._rule = rule
        self._pending = deque(sorted(files, key=lambda file: (file.first_us, file.part)))
        self._active: list[_Stream] = []
        self._rejected: list[RejectedRow] = []
        self._rows = 0

    def batches(self) -> Iterator[Batch]:
        while self._pending or self._active:
            self._open()
            pieces = self._pieces()
            if not pieces:
                if self._rejected:
                    yield self._batch("", pl.DataFrame(schema=TRADE_TABLE), 0)
                continue
            if len(pieces) == 1 and not isinstance(self._rule, _ByContent):
                yield self._single(pieces[0])
                continue
            read = sum(piece.table.height for piece in pieces)
            table = pieces[0].table if len(pieces) == 1 else self._rule.joined(pieces)
            yield self._batch(pieces[0].part, table, read - table.height)
        if self._rejected or self._rows:
            yield self._batch("", pl.DataFrame(schema=TRADE_TABLE), 0)

    def _single(self, piece: Covered) -> Batch:
        keys = piece.table[_KEY]
        if isinstance(self._rule, _ById) and not (keys.diff() == 0).any():
            return self._batch(piece.part, piece.table, 0)
        table = self._rule.joined([piece])
        return self._batch(piece.part, table, piece.table.height - table.height)

    def _batch(self, part: str, table: pl.DataFrame, repeated: int) -> Batch:
        rejected, self._rejected = self._rejected, []
        rows, self._rows = self._rows, 0
        plain = table.select(TRADE_TABLE.names())
        has_ids = not isinstance(self._rule, _ByContent)
        return Batch(part, plain, rejected, has_ids, rows, repeated)

    def _fill(self, stream: _Stream, *, more: bool = False) -> None:
        rejected, rows = stream.fill(more=more)
        self._rejected += rejected
        self._rows += rows

    def _open(self) -> None:
        """Open the files that begin at or before what may be merged next."""
        while True:
            for stream in self._active:
                self._fill(stream)
            self._active = [each for each in self._active if each.waiting is not None]
            if not self._pending:
                return
            reach = self._reach()
            reach = self._newest_waiting_us() if self._active and reach is None else reach
            if reach is not None and self._pending[0].first_us > reach + self._rule.margin_us:
                return
            self._active.append(_Stream(self._pending.popleft(), self._rule))

    def _reach(self) -> int | None:
        """Return the event time up to which every file being read is known; None: to its end."""
        ends = [
            int(stream.waiting["timestamp_us"].max())  # type: ignore[arg-type]
            for stream in self._active
            if stream.waiting is not None and not stream.is_over
        ]
        return min(ends, default=None)

    def _newest_waiting_us(self) -> int:
        return max(
            int(stream.waiting["timestamp_us"].max())  # type: ignore[arg-type]
            for stream in self._active
            if stream.waiting is not None
        )

    def _pieces(self) -> list[Covered]:
        """Take what is known of every file that is being read."""
        if len(self._active) == 1 and self._rule.takes_limit:
            piece = self._active[0].take(None, with_limit=True)
            return [] if piece is None else [piece]
        limit = self._limit()
        pieces = [
            piece
            for stream in self._active
            if (piece := stream.take(limit, with_limit=self._rule.takes_limit)) is not None
        ]
        if not pieces:
            # All that waits is at one key: read on until it is past.
            for stream in self._active:
                self._fill(stream, more=True)
        return pieces

    def _limit(self) -> int | None:
        ends = [
            int(stream.waiting[_KEY][-1])
            for stream in self._active
            if stream.waiting is not None and not stream.is_over
        ]
        return min(ends, default=None)


# --- files without ids before files with ids -------------------------------------------------

_MAX_OVERLAP = 1_000_000


def _without_then_with(
    without: Sequence[OrderedFile], with_ids: Sequence[OrderedFile], *, by_id: bool
) -> Iterator[Batch]:
    """Yield what only the files without ids have, then the files with ids.

    An exchange may have begun to provide ids at some time: what is behind that time must be the
    same trades in both.
    """
    first_us = min(file.first_us for file in with_ids)
    late: list[pl.DataFrame] = []
    for batch in merged(without, by_id=by_id):
        behind = batch.table.filter(pl.col("timestamp_us") >= first_us)
        late.append(behind)
        if sum(table.height for table in late) > _MAX_OVERLAP:
            raise DisorderError(_overlap(without, with_ids))
        kept = batch.table.slice(0, batch.table.height - behind.height)
        yield batch._replace(table=kept, repeated=batch.repeated + behind.height)
    unmatched = pl.concat(late) if late else pl.DataFrame(schema=TRADE_TABLE)
    for batch in merged(with_ids, by_id=by_id):
        if unmatched.height and batch.table.height:
            until = int(batch.table["timestamp_us"].max())  # type: ignore[arg-type]
            due = unmatched.filter(pl.col("timestamp_us") <= until)
            found = due.join(batch.table, on=["timestamp_us", "price", "quantity"], how="anti")
            unmatched = pl.concat([found, unmatched.slice(due.height)])
            if found.height and int(found["timestamp_us"][0]) < until:
                raise DisorderError(_overlap(without, with_ids))
        # Ids of both kinds would not sort into one order: all of this product's are made.
        plain = batch.table.sort("timestamp_us", maintain_order=True).with_columns(
            pl.lit(None, pl.String).alias("trade_id")
        )
        yield batch._replace(table=plain, has_ids=False)
    if unmatched.height:
        raise DisorderError(_overlap(without, with_ids))


def _overlap(without: Sequence[OrderedFile], with_ids: Sequence[OrderedFile]) -> str:
    return (
        f"{without[0].part} (no trade ids) and {with_ids[0].part} (trade ids) overlap and hold "
        "different trades, or too many to compare: replay one of them alone"
    )
