"""Ids far ahead and ids that begin again: judged against history before anything is recorded."""

import random
from decimal import Decimal

from loguru import logger

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_exchanges.base import ExchangeUnavailableError, Position
from ohlc_exchanges.kraken.adapter import Kraken
from trade_producer.dense_ids import IMPLAUSIBLE_JUMP, DenseIdStream
from trade_producer.gap_filler import FillEnded
from trade_producer.product_flow import Patience, ProductFlow
from trade_producer.start import StartPlan
from trade_producer.stream_outputs import Append, Begin, Gap, Output, Reject
from trade_producer.watermarks import Watermarks

logger.disable("trade_producer")

S = 1_000_000
ABSURD = 5_000_000_000_000_000


def trade(trade_id: int, second: int) -> Trade:
    return Trade(str(trade_id), Decimal(1), Decimal(1), "buy", second * S)


class World:
    """A flow behind trade 10 of second 10, and a history that the test fills."""

    def __init__(self, *, accepts_jumps: bool = False, begin_us: int | None = None) -> None:
        self.now = 0.0
        self.known: list[Trade] = [trade(10, 10)]
        self.outputs: list[Output] = []
        self.flow = ProductFlow(
            ProductKey("kraken", "BTC/USD"),
            Kraken(),
            DenseIdStream(),
            Watermarks([Interval.parse("1s")], 0),
            Patience(5, 60.0, random.Random(0), accepts_jumps=accepts_jumps),
        )
        resume_at = Position("10", 10 * S) if begin_us is None else None
        self.flow.begin(StartPlan(resume_at=resume_at, begin_us=begin_us), None)
        self.flow.subscribed()

    def live(self, *trades: Trade) -> None:
        self.outputs += self.flow.live(trades)

    def ask(self, times: int = 1, *, fails: bool = False) -> None:
        """Let history answer as it is now."""
        for _ in range(times):
            job = self.flow.wanted(self.now)
            self.now += 12.0
            job = job or self.flow.wanted(self.now)
            if job is None:
                continue
            after, from_us = job.missing.after, job.missing.from_us
            page = tuple(
                each
                for each in self.known
                if (int(each.trade_id) > int(after.trade_id) if after else True)
                and (after is not None or each.timestamp_us >= from_us)
            )
            if fails:
                end = FillEnded(job, ExchangeUnavailableError("busy"), at_newest=False)
            else:
                self.outputs += self.flow.page(job, page)
                end = FillEnded(job, None, at_newest=True)
            self.outputs += self.flow.ended(end, self.now)

    def ids(self) -> list[int]:
        return [
            int(each.trade_id)
            for output in self.outputs
            if isinstance(output, Append)
            for each in output.trades
        ]

    def of(self, kind: type[Output]) -> list[Output]:
        return [output for output in self.outputs if isinstance(output, kind)]


def test_absurd_id_is_rejected_when_later_trades_run_on() -> None:
    world = World()
    world.live(trade(11, 11))
    world.live(trade(ABSURD, 12))
    world.live(trade(12, 13))
    assert world.ids() == [11, 12]
    (rejected,) = world.of(Reject)
    assert isinstance(rejected, Reject)
    assert [each.trade_id for each in rejected.trades] == [str(ABSURD)]
    assert world.flow.report().is_current


def test_absurd_ids_in_the_first_frame_are_rejected_when_history_ends_far_before_them() -> None:
    world = World()
    world.live(*(trade(ABSURD + i, 12) for i in range(5)))
    world.known += [trade(11, 11), trade(12, 12)]
    world.ask(times=8)
    assert world.ids() == [11, 12]
    assert world.of(Gap) == []
    assert len(world.of(Reject)) == 1
    world.live(trade(13, 13))
    assert world.ids() == [11, 12, 13]
    assert world.flow.report().is_current


def test_absurd_id_is_no_gap_while_history_does_not_answer() -> None:
    world = World()
    world.live(trade(ABSURD, 12), trade(ABSURD + 1, 12))
    world.ask(times=20, fails=True)
    assert world.outputs == []
    assert world.flow.watermark_due(100 * S) is None


def test_id_jump_of_millions_that_history_confirms_is_a_gap() -> None:
    world = World()
    far = 10 + 3 * IMPLAUSIBLE_JUMP
    world.live(trade(far, 12))
    world.live(trade(far + 1, 13))
    world.known += [trade(far, 12), trade(far + 1, 13)]
    world.ask(times=8)
    assert world.of(Gap) == [Gap(11, far - 1)]
    assert world.ids() == [far, far + 1]
    assert world.flow.report().is_current


def test_id_jump_of_millions_that_history_confirms_can_be_accepted() -> None:
    world = World(accepts_jumps=True)
    far = 10 + 3 * IMPLAUSIBLE_JUMP
    world.live(trade(far, 12))
    world.live(trade(far + 1, 13))
    world.known += [trade(far, 12), trade(far + 1, 13)]
    world.ask(times=8)
    assert world.of(Gap) == []
    assert world.ids() == [far, far + 1]
    assert world.flow.report().counts["jumps_accepted"] == 1


def test_ids_that_begin_again_start_the_stream_again() -> None:
    world = World()
    world.live(trade(1, 20))
    assert world.flow.watermark_due(100 * S) is None, "trades are seen that are not appended"
    world.live(trade(2, 21))
    world.known = [trade(1, 20), trade(2, 21)]
    world.ask()
    assert world.of(Begin) == [Begin(20 * S)]
    assert world.ids() == [1, 2]
    world.live(trade(3, 22))
    assert world.ids() == [1, 2, 3]
    assert world.flow.report().is_current


def test_lower_ids_are_rejected_while_history_holds_the_old_ones() -> None:
    world = World()
    world.live(trade(1, 20))
    world.known = [trade(10, 10), trade(11, 12)]
    world.ask(times=2)
    assert world.of(Begin) == []
    assert len(world.of(Reject)) == 1
    assert world.ids() == [11]


def test_topic_poisoned_by_an_absurd_id_is_healed_by_a_start() -> None:
    world = World()
    poisoned = ProductFlow(
        ProductKey("kraken", "BTC/USD"),
        Kraken(),
        DenseIdStream(),
        Watermarks([Interval.parse("1s")], 0),
        Patience(5, 60.0, random.Random(0)),
    )
    poisoned.begin(StartPlan(resume_at=Position(str(ABSURD), 12 * S)), None)
    poisoned.subscribed()
    world.flow = poisoned
    world.known = [trade(11, 11), trade(12, 13), trade(13, 14)]
    world.live(trade(13, 14))
    world.ask()
    assert world.of(Begin) == [Begin(13 * S)]
    assert world.ids() == [12, 13]
    assert world.flow.report().is_current


def test_absurd_first_trade_of_a_fresh_stream_does_not_hide_the_true_ones() -> None:
    world = World(begin_us=12 * S)
    world.live(trade(ABSURD, 11))
    world.known = [trade(10, 10), trade(11, 13)]
    world.live(trade(11, 13))
    world.ask(times=2)
    assert world.ids() == [11]
    world.live(trade(12, 14))
    assert world.ids() == [11, 12]


def test_snapshot_with_an_absurd_id_is_no_place_to_begin() -> None:
    world = World(begin_us=12 * S)
    world.live(trade(9, 9), trade(10, 10), trade(ABSURD, 11))
    world.known = [trade(10, 10), trade(11, 13)]
    world.ask(times=2)
    world.live(trade(12, 14))
    assert world.ids() == [11, 12]
    assert world.of(Begin) == [Begin(12 * S)]
    assert len(world.of(Reject)) == 1
