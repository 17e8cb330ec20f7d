"""The exchange's order, each trade once: what may follow what, over files, pages and restarts.

Where ids count up by trade, they decide. Elsewhere time does, and the ids at the newest time
say which of its trades are already there. Parts (files, pages) may repeat trades of earlier
parts; inside one part a step backwards means that the source is not sorted, and going on would
lose trades.
"""

from typing import NamedTuple

import polars as pl

from ohlc_core.errors import PipelineError
from ohlc_exchanges.base import Position


class IdGap(NamedTuple):
    """Trade ids first..last that the source skipped before row ``row`` of the new rows."""

    row: int
    first: int
    last: int


class Fresh(NamedTuple):
    """The rows of a table that are new, and the ids skipped before or among them."""

    table: pl.DataFrame
    gaps: list[IdGap]


class DisorderError(PipelineError, ValueError):
    """A source is not in the exchange's order; the text says where, and what to do."""


#: One trade's times differ by less from source to source.
_RESTART_US = 1_000_000

_REMEDY = "sort it, or read it with REPLAY_SOURCE=sql, which sorts"


class TradeOrder:
    """Lets each trade of one product pass once.

    Attributes:
        repeated: trades left out because an earlier part, or an earlier run, had them.

    Args:
        by_id: whether the ids count up by trade.
        after: the last trade that is already there, or None.
    """

    def __init__(self, *, by_id: bool, after: Position | None = None) -> None:
        self.repeated = 0
        self._rule: _ById | _ByTime = _ById(after) if by_id else _ByTime(after)
        self._part: str | None = None

    def take(self, part: str, table: pl.DataFrame) -> Fresh:
        """Return the rows that are new.

        Raises:
            DisorderError: the part is not sorted, or parts overlap and disagree, or the source
                no longer holds the trade it should go on from.
        """
        if table.is_empty():
            return Fresh(table, [])
        begins_part, self._part = part != self._part, part
        fresh = self._rule.take(part, table, begins_part=begins_part)
        self.repeated += table.height - fresh.table.height
        return fresh


class _ById:
    def __init__(self, after: Position | None) -> None:
        self._last = -1 if after is None else int(after.trade_id)
        self._last_us = 0 if after is None else after.timestamp_us
        self._known_to = self._last  # rows up to here are repeats of an earlier part
        self._in_part = -1
        self._gaps: list[IdGap] = []

    def take(self, part: str, table: pl.DataFrame, *, begins_part: bool) -> Fresh:
        ids = table["trade_id"].cast(pl.Int64, strict=False)
        if ids.null_count():
            text = table["trade_id"].filter(ids.is_null())[0]
            raise DisorderError(f"{part}: trade id {text!r} is no number, unlike the others")
        if begins_part:
            self._in_part, self._known_to = -1, self._last
        self._check_restart(part, ids, table["timestamp_us"])
        self._check_sorted(part, ids)
        self._check_gaps(part, ids)
        fresh = ids > self._last
        if not fresh.all() or (ids.diff() == 0).any():
            fresh &= ids.is_first_distinct()
            table, ids = table.filter(fresh), ids.filter(fresh)
        if ids.is_empty():
            return Fresh(table, [])
        gaps = self._gaps_among(ids)
        self._gaps += gaps
        self._last = ids[-1]
        self._last_us = max(self._last_us, table["timestamp_us"][-1])
        return Fresh(table, gaps)

    def _check_restart(self, part: str, ids: pl.Series, times: pl.Series) -> None:
        """Refuse lower ids of later trades: they are no repeats, and no rows out of order."""
        if self._last < 0:
            known_ids, known_us = ids.cum_max().shift(1), times.cum_max().shift(1)
        else:
            known_ids = pl.select(pl.max_horizontal(ids.cum_max().shift(1), self._last)).to_series()
            known_us = pl.select(
                pl.max_horizontal(times.cum_max().shift(1), self._last_us)
            ).to_series()
        again = ((ids <= known_ids) & (times > known_us + _RESTART_US)).arg_true()
        if not again.is_empty():
            at = again[0]
            raise DisorderError(
                f"{part}: trade id {ids[at]} at {times[at]} us is later than trade id "
                f"{known_ids[at]}: the exchange's ids began again; replay what is before and what "
                "is from there on as two runs, each with files, or days, of its own"
            )

    def _check_sorted(self, part: str, ids: pl.Series) -> None:
        first = ids[0]
        if first < self._in_part or not ids.is_sorted():
            steps = pl.concat([pl.Series("trade_id", [self._in_part]), ids])
            at = steps.diff().lt(0).arg_max() or 0
            raise DisorderError(
                f"{part}: trade id {steps[at]} stands after {steps[at - 1]}; {_REMEDY}"
            )
        self._in_part = ids[-1]

    def _check_gaps(self, part: str, ids: pl.Series) -> None:
        if ids[0] > self._known_to:
            return
        for _, first, last in self._gaps:
            filled = ids.filter(ids.is_between(first, last))
            if not filled.is_empty():
                raise DisorderError(
                    f"{part}: holds trade id {filled[0]}, which an earlier part skipped "
                    f"({first} to {last}); parts that overlap must not disagree: replay the "
                    "whole one alone"
                )

    def _gaps_among(self, ids: pl.Series) -> list[IdGap]:
        known = [] if self._last < 0 else [self._last]
        steps = pl.concat([pl.Series("trade_id", known, pl.Int64), ids])
        behind = steps.diff().gt(1).fill_null(value=False).arg_true()
        return [
            IdGap(index - len(known), steps[index - 1] + 1, steps[index] - 1) for index in behind
        ]


class _ByTime:
    def __init__(self, after: Position | None) -> None:
        self._last_us = 0 if after is None else after.timestamp_us
        self._resume_id = None if after is None else after.trade_id
        self._ids_at_last: set[str] = set()
        self._in_part_us = 0

    def take(self, part: str, table: pl.DataFrame, *, begins_part: bool) -> Fresh:
        if begins_part:
            self._in_part_us = 0
        self._check_sorted(part, table["timestamp_us"])
        table = table.filter(pl.col("timestamp_us") >= self._last_us)
        if self._resume_id is not None:
            table = self._after_resume(part, table, self._resume_id)
        if table.is_empty():
            return Fresh(table, [])
        known = (pl.col("timestamp_us") == self._last_us) & pl.col("trade_id").is_in(
            list(self._ids_at_last)
        )
        table = table.filter(~known & pl.struct("timestamp_us", "trade_id").is_first_distinct())
        if not table.is_empty():
            self._remember(table)
        return Fresh(table, [])

    def _after_resume(self, part: str, table: pl.DataFrame, resume_id: str) -> pl.DataFrame:
        """Leave out the rows of the last known time, up to and with the last known trade."""
        same_time = table.filter(pl.col("timestamp_us") == self._last_us)["trade_id"]
        found = (same_time == resume_id).arg_true()
        if not found.is_empty():
            self._resume_id = None
            self._ids_at_last = set(same_time[: found[0] + 1])
            return table.slice(found[0] + 1)
        if same_time.len() < table.height:
            raise DisorderError(
                f"{part}: the trade {resume_id} at {self._last_us} us, where the run was "
                "interrupted, is no longer there; give another RUN_ID to begin again"
            )
        return table.clear()

    def _check_sorted(self, part: str, times: pl.Series) -> None:
        if times[0] < self._in_part_us or not times.is_sorted():
            steps = pl.concat([pl.Series("timestamp_us", [self._in_part_us]), times])
            at = steps.diff().lt(0).arg_max() or 0
            raise DisorderError(
                f"{part}: the time {steps[at]} us stands after {steps[at - 1]} us; {_REMEDY}"
            )
        self._in_part_us = times[-1]

    def _remember(self, table: pl.DataFrame) -> None:
        last_us = table["timestamp_us"][-1]
        ids = set(table.filter(pl.col("timestamp_us") == last_us)["trade_id"])
        self._ids_at_last = ids | (self._ids_at_last if last_us == self._last_us else set())
        self._last_us = last_us
