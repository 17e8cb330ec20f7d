"""Seeded faults through real sockets, a broker that dies, producers killed with SIGKILL.

After each run the topic holds exactly the exchange's trades, once and in order, and gap records
name exactly the ids that the exchange withheld everywhere. ``FAULT_RUNS=200`` plays the matrix;
``FAULT_SEED`` says where it begins.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from support.fault_runs import FaultRun, Outcome, RunPlan, plan_of
from support.kafka import OwnBroker

_RUNS = int(os.environ.get("FAULT_RUNS", "12"))
_FIRST_SEED = int(os.environ.get("FAULT_SEED", "0"))
_AT_A_TIME = 4
_FIRST_OUTAGE_SECONDS = 8.0
_OUTAGE_EVERY_SECONDS = 45.0


@contextmanager
def outages(broker: LocalBroker) -> Iterator[list[str]]:
    """Kill or stop the broker now and then, and start it again on its data."""
    done = threading.Event()
    held: list[str] = []

    def trouble() -> None:
        wait = _FIRST_OUTAGE_SECONDS
        while not done.wait(wait):
            how = "kill" if len(held) % 2 == 0 else "stop"
            (broker.kill if how == "kill" else broker.stop)()
            broker.start()
            held.append(how)
            wait = _OUTAGE_EVERY_SECONDS

    thread = threading.Thread(target=trouble, name="outages")
    thread.start()
    try:
        yield held
    finally:
        done.set()
        thread.join()


def played(plan: RunPlan, address: str, folder: Path) -> Outcome:
    """Play a plan; whatever goes wrong is its outcome, so that the others are played too."""
    try:
        return FaultRun(plan, address, folder).play()
    except Exception as error:  # reported below, with the plan that repeats it
        return Outcome(plan, (repr(error)[:4000],), 0, 0, 0.0, {})


@pytest.mark.service
@pytest.mark.timeout(3600)
def test_topic_is_exact_whatever_fails(own_broker: OwnBroker, tmp_path: Path) -> None:
    broker = own_broker()
    plans = [plan_of(seed) for seed in range(_FIRST_SEED, _FIRST_SEED + _RUNS)]
    with outages(broker) as held, ThreadPoolExecutor(_AT_A_TIME) as pool:
        outcomes = list(pool.map(lambda plan: played(plan, broker.address, tmp_path), plans))
    wrong = [
        f"{outcome.plan}\n" + "\n".join(outcome.problems)
        for outcome in outcomes
        if outcome.problems
    ]
    dealt: dict[str, int] = {}
    for outcome in outcomes:
        for name, count in outcome.dealt.items():
            dealt[name] = dealt.get(name, 0) + count
    print(  # noqa: T201 - the record of a whole matrix
        f"{len(outcomes)} runs, {len(wrong)} wrong, {sum(o.trades for o in outcomes)} trades, "
        f"{sum(o.gaps for o in outcomes)} gap records, "
        f"{sum(len(o.plan.kills) for o in outcomes)} SIGKILLs, broker outages: {held}, "
        f"faults dealt: {dealt}"
    )
    assert not wrong, "\n\n".join(wrong)
    assert sum(outcome.trades for outcome in outcomes) > 100 * len(outcomes)
