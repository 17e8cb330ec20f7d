"""Playing one plan to its end: hurt everything, let it come to rest, judge what is left."""

import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from confluent_kafka import KafkaException
from sqlalchemy.exc import DBAPIError

from chaos.blows import Blows
from chaos.judge import (
    all_expected,
    judge_backfill,
    judge_candles,
    judge_features,
    judge_hidden,
    judge_store,
    stored_rows,
)
from chaos.pipeline import RATE, SPEED, Pipeline, pipeline, wait_answers
from chaos.plan import PRODUCTS, Plan
from support.kafka import read_topic
from support.trades_topic import Truth, judge_trades, read_trades

_REST_SECONDS = 120.0
_TRACEBACK = "Traceback (most recent call last)"


class Outcome(NamedTuple):
    """What became of a run; no problems means that everything is exact.

    Attributes:
        trades: how many are on the topic.
        candles: how many records are on `ohlc`.
        gaps: how many were declared.
        faults: dealt by the exchange, by kind.
        blows: dealt by us, by kind.
        ends: how often a service ended by itself and was started again.
    """

    plan: Plan
    problems: tuple[str, ...]
    trades: int
    candles: int
    gaps: int
    faults: Counter[str]
    blows: Counter[str]
    ends: int
    seconds: float

    @property
    def dealt(self) -> int:
        """How many faults and blows there were."""
        return self.faults.total() + self.blows.total()


class _Facts(NamedTuple):
    problems: list[str]
    trades: int
    candles: int
    gaps: int


def play(plan: Plan, folder: Path) -> Outcome:
    """Play a plan in an empty folder."""
    began = time.monotonic()
    with pipeline(plan, folder) as running:
        blows = Blows(running)
        problems = _hurt(running, plan, blows)
        blows.end()
        faults = _dealt(running, plan)
        until_us = running.exchange.control.now_us()
        facts = _come_to_rest(running, until_us)
        if facts.problems:
            problems += ["not at rest in time, for instance:", *facts.problems[:3]]
            problems += [f"{name}: {running.status(name)}" for name in running.names()]
        problems += blows.problems + _look_at_dashboard(running)
        codes = running.stop_services()
        problems += [f"{name} ended with {code} at the end" for name, code in codes.items() if code]
        facts = _facts(running, until_us)
        problems += facts.problems
        if not facts.trades or not facts.candles:
            problems.append("nothing was traded: there is nothing to judge")
        problems += _bad_ends(running, folder)
        running.exchange.control.pause()
        script, store = running.backfill(240)
        if script.exit_code() not in (0, 1) or not store.exists():
            problems.append(f"the backfill ended with {script.exit_code()}: {script.log_end()}")
        else:
            problems += judge_backfill(running.store_url, store)
        ends = len(running.ends)
    return Outcome(
        plan,
        tuple(problems),
        *facts[1:],
        faults,
        blows.dealt,
        ends,
        time.monotonic() - began,
    )


def _hurt(running: Pipeline, plan: Plan, blows: Blows) -> list[str]:
    """Deal everything at its moment."""
    control = running.exchange.control
    control.order(*plan.orders())
    waiting = deque(plan.blows)
    deadline = time.monotonic() + 180 + 6 * plan.trades / (RATE * SPEED)
    while True:
        blows.look()
        live = _live_trades(running)
        while waiting and waiting[0].at_trades <= live:
            blows.deal(waiting.popleft())
        if not waiting and live >= plan.trades:
            return []
        if time.monotonic() > deadline:
            return [f"the market stood still at {live} of {plan.trades} trades"]
        time.sleep(0.05)


def _dealt(running: Pipeline, plan: Plan) -> Counter[str]:
    """Return how many faults the exchange has dealt; one of several frames or calls is one."""
    dealt: dict[str, int] = running.exchange.control.state()["faults_dealt"]
    ordered = Counter(each["fault"]["fault"] for each in plan.orders())
    return Counter({name: min(count, dealt.get(name, 0)) for name, count in ordered.items()})


def _live_trades(running: Pipeline) -> int:
    try:
        return int(running.exchange.control.state()["live_trades"])
    except httpx.HTTPError:
        return 0


def _come_to_rest(running: Pipeline, until_us: int) -> _Facts:
    """Wait, while the market goes on, until everything of before the moment is everywhere."""
    running.exchange.control.clear()
    # Each stretch of withheld trades may wait for MAX_GAP_WAIT_SECONDS, one behind the other.
    deadline = time.monotonic() + _REST_SECONDS + len(running.plan.faults)
    while True:
        running.revive()
        facts = _facts(running, until_us)
        if not facts.problems or time.monotonic() > deadline:
            return facts
        time.sleep(0.5)


def _facts(running: Pipeline, until_us: int) -> _Facts:
    """Judge what is there now."""
    try:
        topic = read_trades(read_topic(running.broker.address, "trades"))
        candles = [each.value or b"" for each in read_topic(running.broker.address, "ohlc")]
    except (KafkaException, AssertionError) as error:
        return _Facts([f"topics: {error}"], 0, 0, 0)
    # After the topics: what they hold has then happened.
    control = running.exchange.control
    rows = {product: control.trades(product) for product in PRODUCTS}
    truth = Truth.of(running.plan.exchange, rows, until_us)
    expected = all_expected(topic, truth)
    problems = judge_trades(topic, truth)
    problems += judge_candles(candles, expected, truth, running.plan.guarantee)
    problems += _judge_stored(running, rows, expected, until_us)
    return _Facts(
        problems,
        sum(map(len, topic.ids.values())),
        len(candles),
        sum(map(len, topic.gaps.values())),
    )


def _judge_stored(
    running: Pipeline, truth_rows: dict[str, Any], expected: Any, until_us: int
) -> list[str]:
    try:
        engine, rows = stored_rows(running.store_url)
        try:
            return [
                *judge_store(rows, expected, until_us),
                *judge_hidden(truth_rows, rows),
                *judge_features(engine, rows, until_us),
            ]
        finally:
            engine.dispose()
    except DBAPIError as error:
        return [f"store: {error}"]


def _look_at_dashboard(running: Pipeline) -> list[str]:
    """The dashboard answers, and knows every product."""
    try:
        shown = str(wait_answers(running))
    except AssertionError as error:
        return [f"dashboard: {error}"]
    return [f"dashboard: does not show {each}" for each in PRODUCTS if each not in shown]


def _bad_ends(running: Pipeline, folder: Path) -> list[str]:
    """Services may end themselves with 1, in one line; a traceback is a defect."""
    problems = [f"{name} ended with {code}" for name, code in running.ends if code != 1]
    for log in sorted(folder.glob("*.log")):
        text = log.read_text(errors="replace")
        if _TRACEBACK in text:
            at = text.index(_TRACEBACK)
            problems.append(f"{log.name}: {text[at : at + 1_500]}")
    return problems
