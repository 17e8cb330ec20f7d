"""``trade-replayer``: history onto a run's own topic, in the producer's place."""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from loguru import logger

from ohlc_backfill.clean_up import (
    announce_run_over,
    forget_run_over,
    stop_readers_and_delete_run,
)
from ohlc_backfill.drain import wait_until_stored
from ohlc_backfill.proof import prove
from ohlc_backfill.record_count import RecordCount
from ohlc_backfill.run_id import run_id
from ohlc_backfill.topic_state import ReplayedSoFar, replayed_so_far
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError, StoppedError
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.messages.topics import TopicNames, topic_names
from ohlc_core.service.runner import Runtime, run_service
from ohlc_exchanges.base import ExchangeError
from ohlc_history.deduplicate import DisorderError
from ohlc_history.sources.base import LeftOut, SourceError, TradeSource
from ohlc_history.sources.factory import open_source
from trade_replayer.hand_over import first_whole_window_us, live_start_us
from trade_replayer.outcome import check_everything_was_used, print_summary
from trade_replayer.progress import ProductProgress, figures, shown
from trade_replayer.publisher import Publisher
from trade_replayer.replay import Job, ProductReplay
from trade_replayer.settings import ReplayerSettings

# The spacing of calls is no news; longer waits are.
_REPORTED_WAIT_SECONDS = 2.0
_HEALTHY_WITHIN_SECONDS = 120.0


class _Plan(NamedTuple):
    """What is to be replayed."""

    source: TradeSource
    products: list[ProductProgress]
    left_out: Sequence[LeftOut]


def main() -> None:
    """Run the service and exit with the contract's code."""
    run_service("trade-replayer", ReplayerSettings, run)


def run(settings: ReplayerSettings, runtime: Runtime) -> None:
    """Replay every product, or as much as there is time for until the stop."""
    run_name = run_id(settings)
    names = topic_names(run_name)
    sys.stdout.write(f"RUN_ID={run_name}\n")
    sys.stdout.flush()
    began = time.monotonic()
    runtime.health.expect("replay", _HEALTHY_WITHIN_SECONDS)
    runtime.status.works_on(
        run_id=run_name,
        source=settings.replay_source,
        exchange=settings.exchange,
        products=list(settings.product_ids),
        from_us=settings.from_us,
        to_us=settings.to_us,
        topic=names.trades,
        broker=settings.kafka_broker_address,
    )
    try:
        plan = _plan(settings, runtime)
        runtime.status.progress_from(partial(figures, plan.products))
        runtime.status.say("replaying", f"Replaying {len(plan.products)} products")
        ensure_topics(settings, names, (names.trades, names.trades_dlq), runtime.stop)
        forget_run_over(settings, names)
        _replay(settings, runtime, names, plan)
    except StoppedError:
        if settings.replay_until != "replayed":
            raise FatalError(_incomplete(names)) from None
        logger.info("stopped; the same command goes on from here")
        return
    runtime.status.say("done", "Every product is replayed")
    print_summary(plan.products, plan.left_out, run_name, time.monotonic() - began)
    if settings.replay_until != "replayed":
        _finish(settings, runtime, names, plan.products)
    if runtime.stop.is_set():
        return
    try:
        check_everything_was_used(
            plan.products,
            plan.left_out,
            settings.replay_allow,
            emptiness_is_certain=plan.source.is_live,
        )
    except FatalError:
        if settings.replay_until == "stored":
            # Whoever started the services deletes the run: resumed, it would pass over what is
            # put right in files and tables before the last trade.
            announce_run_over(settings, names)
        raise
    if settings.replay_until != "replayed":
        logger.info("backfill {} is complete", run_name)


def _finish(
    settings: ReplayerSettings, runtime: Runtime, names: TopicNames, products: list[ProductProgress]
) -> None:
    """Wait until every candle is stored, prove the store, and clean up where asked.

    Raises:
        FatalError: the run is not complete, or the store differs from the trades.
    """
    moved = partial(runtime.health.progress, "replay")
    if runtime.stop.is_set() or not all(product.is_done for product in products):
        raise FatalError(_incomplete(names))
    logger.info("all trades are replayed; waiting for the last candles ...")
    runtime.status.say("last candles", "All trades are replayed; waiting for the last candles")
    try:
        wait_until_stored(settings, names, runtime.stop, moved)
    except StoppedError:
        raise FatalError(_incomplete(names)) from None
    runtime.status.say("proving", "All candles are written; computing them again to compare")
    prove(settings, names, {product.key: product.to_us for product in products}, moved)
    runtime.status.say("done", "Every candle is stored and equal to what its trades give")
    if settings.replay_until == "cleaned":
        stop_readers_and_delete_run(settings, names, runtime.stop)


def _incomplete(names: TopicNames) -> str:
    return f"backfill {names.run_id} is not complete; the same command goes on with it"


def _plan(settings: ReplayerSettings, runtime: Runtime) -> _Plan:
    """Open the source, check the products, and fix the period.

    Raises:
        SettingsError: the source or a product is wrong.
        FatalError: the exchange cannot be asked.
    """
    now_us = _wall_clock_us()
    products = {
        product_id: ProductProgress(
            ProductKey(settings.exchange, product_id), settings.from_us, now_us
        )
        for product_id in settings.product_ids
    }

    def waiting(product_id: str, why: str, seconds: float) -> None:
        runtime.health.progress("replay")
        if seconds >= _REPORTED_WAIT_SECONDS:
            product = products[product_id]
            product.note = f"{seconds:.0f} s, {why}"
            logger.info("{}: waiting {:.1f} s: {}", product.key, seconds, why)

    opened = open_source(settings, runtime.stop, waiting)
    for product_id, product in products.items():
        product.files = opened.files.get(product_id)
        product.source_first_us = opened.first_us[product_id]
        product.source_end_us = opened.end_us.get(product_id)
        if product.from_us is None:
            product.from_us = product.source_first_us
        # Never beyond the exchange's own clock, nor beyond this machine's.
        ends = (product.to_us, opened.clock_us, settings.to_us)
        product.to_us = min(end for end in ends if end is not None)
    return _Plan(opened.source, list(products.values()), opened.left_out)


# --- replaying -------------------------------------------------------------------------------


def _replay(settings: ReplayerSettings, runtime: Runtime, names: TopicNames, plan: _Plan) -> None:
    moved = partial(runtime.health.progress, "replay")
    publisher = Publisher(settings, names.trades, names.trades_dlq, on_wait=moved)
    job = Job(
        source=plan.source,
        publisher=publisher,
        batch=settings.replay_batch,
        stop=runtime.stop,
        now_us=_wall_clock_us,
        end_of_history=_end_of_history(settings),
        progress=moved,
        ends_with_source=settings.to_us is None and not plan.source.is_live,
    )
    so_far = replayed_so_far(settings, names.trades, [product.key for product in plan.products])
    # Files and tables may have changed since an earlier run, and what it rejected counts again.
    waiting = [
        product
        for product in plan.products
        if not (plan.source.is_live and _is_complete(product, so_far[product.key]))
    ]
    candles = RecordCount(settings, names.ohlc)
    try:
        with shown(waiting, candles):
            _run_products(settings, runtime, job, waiting, so_far)
    finally:
        candles.close()
        publisher.flush()


def _run_products(
    settings: ReplayerSettings,
    runtime: Runtime,
    job: Job,
    products: list[ProductProgress],
    so_far: dict[ProductKey, ReplayedSoFar],
) -> None:
    """Replay the products side by side; the first failure stops them all and is raised."""

    def replay(product: ProductProgress) -> None:
        try:
            ProductReplay(job, product, so_far[product.key]).run()
        except BaseException:
            runtime.stop.set()
            raise

    with ThreadPoolExecutor(settings.replay_workers, "replay") as workers:
        futures = [workers.submit(replay, product) for product in products]
    failures = [error for future in futures if (error := future.exception()) is not None]
    failures.sort(key=lambda error: isinstance(error, StoppedError))
    if not failures:
        return
    if isinstance(failures[0], SourceError | DisorderError | ExchangeError):
        raise FatalError(str(failures[0])) from failures[0]
    raise failures[0]


def _is_complete(product: ProductProgress, so_far: ReplayedSoFar) -> bool:
    """Return whether an earlier run had replayed all of the product up to this run's end."""
    if so_far.final_us is None or so_far.final_us < product.to_us:
        return False
    product.to_us = so_far.final_us
    product.is_done = product.already = True
    product.holds_trades = so_far.last is not None
    logger.info("{}: an earlier run had replayed it completely", product.key)
    return True


def _end_of_history(settings: ReplayerSettings) -> Callable[[ProductKey, int], int]:
    if settings.to_us is not None:
        return lambda _key, end_us: end_us
    intervals = [Interval.parse(text) for text in settings.ohlc_intervals]
    longest_us = max(interval.us for interval in intervals)
    live_topic = topic_names().trades

    def end(key: ProductKey, end_us: int) -> int:
        start_us = live_start_us(settings, live_topic, key, end_us - 2 * longest_us)
        if start_us is None:
            return end_us
        return max(end_us, first_whole_window_us(start_us, intervals, _wall_clock_us()))

    return end


def _wall_clock_us() -> int:
    return time.time_ns() // 1_000
