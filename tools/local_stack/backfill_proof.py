"""The proof that ends a backfill: every candle is in the store, equal to one computed anew."""

import sys
import time

from rich.console import Console

from local_stack.errors import StackError
from local_stack.view import PlainView
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_backfill.verification.report import comparison_table, print_differences
from ohlc_backfill.verification.run_check import RunCheck, check_run
from ohlc_backfill.verification.stored import stored_rows
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from ohlc_features.settings import FeatureStoreSettings
from ohlc_history.sources.base import SourceError
from trade_replayer.settings import ReplayerSettings


def prove(
    kafka: KafkaSettings, store: FeatureStoreSettings, topics: TopicNames, view: PlainView
) -> None:
    """Compare the store with candles recomputed from the replayed trades; print a table.

    Raises:
        StackError: they differ, or could not be compared.
    """
    if store.feature_store != "local":
        later = "; make verify does, once they are materialised"
        view.say(
            f"FEATURE_STORE is {store.feature_store}: its rows are not compared with the trades"
            + (later if store.feature_store == "hopsworks" else "")
        )
        return
    view.say("all candles are written; computing them again from the replayed trades ...")
    began = time.monotonic()
    try:
        check = _check(kafka, store, topics)
    except (FatalError, SourceError) as error:
        raise StackError(f"the backfill could not be verified: {error}") from None
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(comparison_table(f"backfill {topics.run_id}", check.comparisons))
    candles = sum(each.matching for each in check.comparisons)
    view.say(
        f"{check.trades:,} trades, {candles:,} candles verified by count and checksum "
        f"in {time.monotonic() - began:.1f} s"
    )
    if not all(each.is_equal for each in check.comparisons):
        print_differences(console, check.comparisons)
        raise StackError(
            "the store differs from the replayed trades, see above; the run's topics are kept. "
            "Something else wrote these windows, or the store lost rows: clear them, and give "
            "another RUN_ID to replay anew"
        )


def _check(kafka: KafkaSettings, store: FeatureStoreSettings, topics: TopicNames) -> RunCheck:
    replay = load(ReplayerSettings)
    aggregator = load(AggregatorSettings)
    keys = [ProductKey(replay.exchange, product_id) for product_id in replay.product_ids]
    with stored_rows(store) as stored:
        return check_run(
            kafka,
            topics.trades,
            keys,
            [Interval.parse(text) for text in aggregator.ohlc_intervals],
            stored,
            fill=aggregator.empty_candles == "fill",
        )
