"""A source's rows made into new, good, ordered trades of one product and period."""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from ohlc_core.domain.trade import ProductKey
from ohlc_exchanges.base import Position
from ohlc_exchanges.registry import has_dense_ids
from ohlc_history.deduplicate import Fresh, IdGap, TradeOrder
from ohlc_history.sources.base import TradeSource
from ohlc_history.synthetic_ids import IdMaker
from ohlc_history.trade_table import Batch, RejectedRow

# Stamps may step back by about a microsecond in the order of ids: this much around the period
# is read too, so that a trade at its edge is neither lost nor taken for a skipped id.
_MARGIN_US = 1_000_000
# Ids made of a time have more digits than any count of trades.
_COUNT_DIGITS = 15


class Wanted(NamedTuple):
    """Which trades: of a product, in [from_us, to_us), after a known one."""

    key: ProductKey
    from_us: int
    to_us: int
    after: Position | None = None


class Step(NamedTuple):
    """One batch of a source, read.

    Attributes:
        part: the file, page or query it is from.
        fresh: its new trades.
        rejected: its rows that are no trades.
        repeated, missing: rows left out because they were known, and ids that were skipped.
        rows, outside: rows read, and trades outside the period among them.
        is_new: whether it holds anything that an earlier run did not append.
        gaps_are_missing: whether skipped ids must be presumed to be trades that are missing: an
            exchange's own history lacks them, or something that could not be used held them.
    """

    part: str
    fresh: Fresh
    rejected: list[RejectedRow]
    repeated: int
    missing: int
    rows: int = 0
    outside: int = 0
    is_new: bool = True
    gaps_are_missing: bool = False


def pieces(fresh: Fresh) -> Iterator[tuple[IdGap | None, pl.DataFrame]]:
    """Yield the rows cut at the skipped ids; each piece with what was skipped before it."""
    before, begin = None, 0
    for gap in fresh.gaps:
        yield before, fresh.table.slice(begin, gap.row - begin)
        before, begin = gap, gap.row
    yield before, fresh.table.slice(begin)


def read_history(source: TradeSource, wanted: Wanted) -> Iterator[Step]:
    """Yield the wanted trades of a source, in the exchange's order, each once.

    Raises:
        SourceError, ExchangeError: the source cannot be read.
        DisorderError: it is not in order.
    """
    reader = _Reader(wanted)
    batches = source.batches(wanted.key.product_id, wanted.from_us, wanted.to_us, wanted.after)
    for batch in batches:
        step, is_past_end = reader.step(batch)
        is_gap = source.is_live or bool(source.left_out) or bool(batch.rejected)
        yield step._replace(gaps_are_missing=is_gap)
        if is_past_end:
            return


class _Reader:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._ids = IdMaker()
        self._order: TradeOrder | None = None
        self._last_us = 0

    def step(self, batch: Batch) -> tuple[Step, bool]:
        """Return what is new in the batch, and whether it passed the end of the period."""
        wanted = self._wanted
        table, rejected = batch.table, batch.rejected
        if not batch.has_ids:
            table = self._ids.assign("", table)
        times = table["timestamp_us"]
        is_past_end = bool(times.len()) and int(times[-1]) >= wanted.to_us + _MARGIN_US
        around = times.is_between(
            wanted.from_us - _MARGIN_US, wanted.to_us + _MARGIN_US, closed="left"
        )
        candidates = table if around.all() else table.filter(around)
        if candidates.is_empty():
            # Rejected rows are reported with the trades around them, not of times outside.
            reported = rejected if table.is_empty() else []
            nothing = Fresh(candidates, [])
            return (
                Step(batch.part, nothing, reported, batch.repeated, 0, batch.rows, table.height),
                is_past_end,
            )
        if self._order is None:
            by_id = _counts_trades(wanted.key, candidates["trade_id"][0])
            self._order = TradeOrder(by_id=by_id, after=wanted.after)
        repeated = self._order.repeated
        taken = self._order.take(batch.part, candidates)
        fresh = self._of_period(taken)
        repeated = self._order.repeated - repeated + batch.repeated
        outside = table.height - candidates.height + taken.table.height - fresh.table.height
        missing = sum(gap.last - gap.first + 1 for gap in fresh.gaps)
        is_new = fresh.table.height > 0
        return (
            Step(batch.part, fresh, rejected, repeated, missing, batch.rows, outside, is_new),
            is_past_end,
        )

    def _of_period(self, fresh: Fresh) -> Fresh:
        """Leave out trades outside the period, and ids that were skipped outside of it."""
        wanted, times = self._wanted, fresh.table["timestamp_us"]
        if times.is_empty():
            return fresh
        inside = times.is_between(wanted.from_us, wanted.to_us, closed="left")
        kept = inside.cum_sum()
        gaps = []
        for gap in fresh.gaps:
            before_us = times[gap.row - 1] if gap.row else self._last_us
            if before_us < wanted.to_us and times[gap.row] >= wanted.from_us:
                row = int(kept[gap.row - 1]) if gap.row else 0
                gaps.append(IdGap(row, gap.first, gap.last))
        self._last_us = int(times[-1])
        return Fresh(fresh.table if inside.all() else fresh.table.filter(inside), gaps)


def _counts_trades(key: ProductKey, trade_id: str) -> bool:
    """Whether the ids count trades. Ids made of a time (by an adapter, for the pages of years in
    which an exchange gave none) are numbers too, far beyond any count."""
    is_count = trade_id.isascii() and trade_id.isdecimal() and len(trade_id) <= _COUNT_DIGITS
    return has_dense_ids(key.exchange) and is_count
