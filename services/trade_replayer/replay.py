"""One product's replay: start, trades, gaps, and the final watermark."""

import threading
from collections.abc import Callable
from typing import NamedTuple

import polars as pl
from loguru import logger

from ohlc_backfill.topic_state import ReplayedSoFar
from ohlc_core.domain.trade import ProductKey
from ohlc_core.messages.records import GapMessage, StartMessage, WatermarkMessage
from ohlc_exchanges.base import Position
from ohlc_history.deduplicate import IdGap
from ohlc_history.read_history import Step, Wanted, pieces, read_history
from ohlc_history.sources.base import TradeSource
from ohlc_history.trade_table import RejectedRow
from trade_replayer.progress import REJECTED, ProductProgress
from trade_replayer.publisher import Publisher
from trade_replayer.records import records_of

# An exchange's newest trades reach its REST pages within this time.
_SETTLE_US = 3_000_000
_DAY_US = 86_400_000_000


class Job(NamedTuple):
    """What all products of a replay share.

    Attributes:
        source: where the history comes from.
        publisher: where it goes.
        batch: trades in a record at most.
        stop: ends the replay soon, without a final watermark.
        now_us: the wall clock.
        end_of_history: given a product and the end so far, returns where its replay must end:
            later, when a live stream began meanwhile.
        progress: called whenever something moved.
        ends_with_source: whether a stored source's last day is the end: what happened behind it
            nobody knows, so no window there is whole or empty.
    """

    source: TradeSource
    publisher: Publisher
    batch: int
    stop: threading.Event
    now_us: Callable[[], int]
    end_of_history: Callable[[ProductKey, int], int]
    progress: Callable[[], None]
    ends_with_source: bool = False


class ProductReplay:
    """Replays one product.

    Args:
        job: what all products share.
        progress: the product, its period, and how far it is.
        so_far: what an earlier run of the same job appended.
    """

    def __init__(self, job: Job, progress: ProductProgress, so_far: ReplayedSoFar) -> None:
        self._job = job
        self._key = progress.key
        self._progress = progress
        self._so_far = so_far
        self._last = so_far.last
        if so_far.last is not None:
            progress.resume(so_far.last.timestamp_us)

    def run(self) -> None:
        """Append what is missing of the product's records; `ProductProgress.is_done` says
        whether the final watermark is among them.

        Raises:
            FatalError: the broker refused a record.
            SourceError, DisorderError, ExchangeError: the source cannot be read.
        """
        job, progress = self._job, self._progress
        if self._so_far.has_records:
            self._tell_resumption()
        elif progress.from_us is not None:
            start = StartMessage(*self._key, progress.from_us)
            job.publisher.message(self._key, start, progress.from_us)
        if not self._append_history():
            return
        if job.ends_with_source and self._last is not None:
            next_day_us = (self._last.timestamp_us // _DAY_US + 1) * _DAY_US
            progress.to_us = min(progress.to_us, next_day_us)
        end_us = progress.to_us
        if self._so_far.final_us == end_us and not progress.trades:
            logger.info("{}: an earlier run had replayed it completely", self._key)
            progress.is_done = progress.already = True
            return
        job.publisher.message(self._key, WatermarkMessage(*self._key, end_us, final=True), end_us)
        job.publisher.flush()
        progress.is_done = True

    def _append_history(self) -> bool:
        """Append the trades up to the end, which a live stream may move. Return whether all."""
        job, progress = self._job, self._progress
        while True:
            asked_us = job.now_us()
            if not self._append_once():
                return False
            if not job.source.is_live:
                return True
            progress.to_us = job.end_of_history(self._key, progress.to_us)
            wait_us = progress.to_us + _SETTLE_US - job.now_us()
            if asked_us >= progress.to_us + _SETTLE_US:
                return True
            if wait_us > 0 and not self._wait(wait_us / 1e6):
                return False

    def _wait(self, seconds: float) -> bool:
        """Let the newest trades reach the exchange's history. Return False when stopped."""
        self._progress.note = f"{seconds:.0f} s, until the newest trades are in the history"
        deadline_us = self._job.now_us() + int(seconds * 1e6)
        while (left_us := deadline_us - self._job.now_us()) > 0:
            self._job.progress()
            if self._job.stop.wait(min(5.0, left_us / 1e6)):
                return False
        return True

    def _append_once(self) -> bool:
        """Read the source once, from where the product is. Return False when stopped."""
        job, progress = self._job, self._progress
        wanted = Wanted(self._key, progress.from_us or 0, progress.to_us, self._last)
        for step in read_history(job.source, wanted):
            if job.stop.is_set():
                return False
            job.progress()
            progress.read(step)
            if step.is_new:
                for row in step.rejected:
                    self._reject(step.part, row)
            self._append_rows(step)
        return not job.stop.is_set()

    def _append_rows(self, step: Step) -> None:
        """Append the rows, and the gaps among them where trades must be presumed missing."""
        if not step.gaps_are_missing:
            self._append_trades(step.fresh.table)
            return
        for gap, table in pieces(step.fresh):
            if gap is not None:
                # Behind the last trade of the period nothing follows.
                follows_us = table["timestamp_us"][0] if table.height else self._progress.to_us
                self._append_gap(gap, int(follows_us))
            self._append_trades(table)

    def _append_gap(self, gap: IdGap, at_us: int) -> None:
        logger.warning("{}: history has no trades {} to {}", self._key, gap.first, gap.last)
        message = GapMessage(*self._key, str(gap.first), str(gap.last))
        self._job.publisher.message(self._key, message, at_us)

    def _append_trades(self, table: pl.DataFrame) -> None:
        job, key = self._job, self._key
        for record in records_of(*key, job.source.name, table, job.batch):
            job.publisher.trades(key, record)
            self._progress.appended(record.trades, record.last_timestamp_us)
        if table.height:
            self._last = Position(table["trade_id"][-1], int(table["timestamp_us"][-1]))

    def _reject(self, part: str, row: RejectedRow) -> None:
        self._job.publisher.dead_letter(self._key, part, row, self._job.now_us() // 1_000)
        REJECTED.labels(str(self._key)).inc()

    def _tell_resumption(self) -> None:
        where = "its start" if self._last is None else f"trade {self._last.trade_id}"
        logger.info("{}: an earlier run got to {}; going on from there", self._key, where)
