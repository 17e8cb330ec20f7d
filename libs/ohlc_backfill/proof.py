"""The proof of a backfill: the store against candles recomputed from the replayed trades."""

import sys
import time
from collections.abc import Callable, Mapping

from loguru import logger
from rich.console import Console

from ohlc_backfill.settings import BackfillSettings
from ohlc_backfill.verification.report import comparison_table, print_differences
from ohlc_backfill.verification.run_check import check_run
from ohlc_backfill.verification.stored import stored_candles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_core.messages.topics import TopicNames
from ohlc_history.sources.base import SourceError

_LINE_EVERY_SECONDS = 5.0


def prove(
    settings: BackfillSettings,
    topics: TopicNames,
    ends_us: Mapping[ProductKey, int],
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Compare the store with candles recomputed from the replayed trades; print a table.

    Args:
        settings: of the backfill.
        topics: of the run.
        ends_us: where this run's replay of each product ended; an earlier run's end is none.
        progress: called while the topic is read.

    Raises:
        FatalError: they differ, or could not be compared.
    """
    if settings.feature_store != "local":
        later = "; make verify does, once they are materialised"
        logger.info(
            "FEATURE_STORE is {}: its rows are not compared with the trades{}",
            settings.feature_store,
            later if settings.feature_store == "hopsworks" else "",
        )
        return
    logger.info("all candles are written; computing them again from the replayed trades ...")
    began = time.monotonic()
    try:
        with stored_candles(settings) as stored:
            check = check_run(
                settings,
                topics.trades,
                ends_us,
                [Interval.parse(text) for text in settings.ohlc_intervals],
                stored,
                fill=settings.empty_candles == "fill",
                progress=_Lines(progress),
            )
    except SourceError as error:
        raise FatalError(f"the backfill could not be verified: {error}") from None
    console = Console(width=None if sys.stdout.isatty() else 120, markup=False)
    console.print(comparison_table(f"backfill {topics.run_id}", check.comparisons))
    candles = sum(each.matching for each in check.comparisons)
    sys.stdout.write(
        f"{check.trades:,} trades, {candles:,} candles verified by count and checksum "
        f"in {time.monotonic() - began:.1f} s\n"
    )
    sys.stdout.flush()
    if not all(each.is_equal for each in check.comparisons):
        print_differences(console, check.comparisons)
        raise FatalError(
            "the store differs from the replayed trades, see above; the run's topics are kept. "
            "Something else wrote these windows, the settings of a resumed run changed, or the "
            "store lost rows: give another RUN_ID to replay from the beginning"
        )


class _Lines:
    """Logs every few seconds how far the proof is."""

    def __init__(self, progress: Callable[[], None]) -> None:
        self._progress = progress
        self._said = time.monotonic()

    def __call__(self, trades: int, fraction: float) -> None:
        self._progress()
        now = time.monotonic()
        if now >= self._said + _LINE_EVERY_SECONDS:
            self._said = now
            logger.info("proving: {:,} trades, {:.0%} of the topic", trades, fraction)
