"""How long a product waits behind a gap."""

import random
from decimal import Decimal

from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_exchanges.base import ExchangeUnavailableError, Position
from ohlc_exchanges.kraken.adapter import Kraken
from trade_producer.dense_ids import DenseIdStream
from trade_producer.gap_filler import FillEnded
from trade_producer.product_flow import Patience, ProductFlow
from trade_producer.start import StartPlan
from trade_producer.stream_outputs import Gap
from trade_producer.watermarks import Watermarks

logger.disable("trade_producer")


def seconds_until_gap(attempts: int, max_wait: float, *, answers: bool = True) -> float:
    """Play a gap that history never fills; return when it is recorded."""
    flow = ProductFlow(
        ProductKey("kraken", "BTC/USD"),
        Kraken(),
        DenseIdStream(),
        Watermarks([Interval.parse("1s")], 0),
        Patience(attempts, 60.0, random.Random(0), max_wait_seconds=max_wait),
    )
    flow.begin(StartPlan(resume_at=Position("10", 1)), None)
    flow.subscribed()
    flow.live((Trade("15", Decimal(1), Decimal(1), "buy", 2),))
    now = 0.0
    while now < 200.0:
        job = flow.wanted(now)
        now += 0.05
        if job is not None:
            error = None if answers else ExchangeUnavailableError("busy")
            if Gap(11, 14) in flow.ended(FillEnded(job, error, at_newest=answers), now):
                return now
    raise AssertionError("no gap")


def test_withheld_ids_hold_their_product_for_ten_seconds_at_most() -> None:
    assert seconds_until_gap(attempts=100, max_wait=10.0) < 10.5


def test_few_answers_without_the_ids_are_enough() -> None:
    assert seconds_until_gap(attempts=2, max_wait=10.0) < 1.5


def test_silence_of_history_is_waited_out_for_longer() -> None:
    assert 60.0 < seconds_until_gap(attempts=5, max_wait=10.0, answers=False) < 80.0
