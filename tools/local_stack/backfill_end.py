"""Wait for the end of a backfill that runs elsewhere: ``python -m local_stack.backfill_end``.

In containers nothing starts and stops the services around a backfill, so this watches its topics:
all products replayed to their end, every candle stored, and the store proven. Exit code 0 only
then; 1 when the store differs or can not be read; 2 for wrong settings.
"""

from collections.abc import Iterable
from typing import NoReturn

from loguru import logger

from local_stack.backfill_proof import prove
from local_stack.errors import StackError
from local_stack.settings import StackSettings
from local_stack.view import PlainView
from ohlc_backfill.run_end import is_drained
from ohlc_backfill.topic_state import replayed_so_far
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.messages.topics import topic_names
from ohlc_core.service.runner import Runtime, run_service
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from trade_replayer.run_id import run_id
from trade_replayer.settings import ReplayerSettings

_POLL_SECONDS = 1.0


def wait_for_end(settings: StackSettings, runtime: Runtime) -> None:
    """Return once every candle of the run is in the store and equal to one computed anew.

    Raises:
        FatalError: the store differs from the trades, or the wait was stopped before the end.
        BrokerUnavailableError: the broker did not answer at start.
    """
    replay = load(ReplayerSettings)
    topics = topic_names(run_id(replay))
    keys = [ProductKey(replay.exchange, product_id) for product_id in replay.product_ids]
    ensure_topics(settings, topics, [topics.trades, topics.ohlc])
    logger.info("waiting for the end of backfill {}", topics.run_id)
    while not (_is_replayed(settings, topics.trades, keys) and is_drained(settings, topics)):
        if runtime.stop.wait(_POLL_SECONDS):
            raise FatalError(
                f"backfill {topics.run_id} is not complete; the same command goes on with it"
            )
    try:
        prove(settings, settings, topics, PlainView())
    except StackError as error:
        raise FatalError(str(error)) from None
    logger.info("backfill {} is complete", topics.run_id)


def _is_replayed(settings: KafkaSettings, topic: str, keys: Iterable[ProductKey]) -> bool:
    """Return whether the replay of every product has ended."""
    try:
        found = replayed_so_far(settings, topic, keys)
    except FatalError as error:
        # The topic grows, which is how a replay at work looks from here.
        logger.debug("{}", error)
        return False
    return all(each.final_us is not None for each in found.values())


def main() -> NoReturn:
    """Run as a process, with a service's exit codes."""
    run_service("backfill-end", StackSettings, wait_for_end)


if __name__ == "__main__":
    main()
