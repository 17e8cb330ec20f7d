"""A slice of the fault runs for each exchange: producer, broker, faults, kills, exact topic."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_exchanges.registry import EXCHANGES
from support.fault_runs import FaultRun, plan_of

_RUNS = int(os.environ.get("CONFORMANCE_FAULT_RUNS", "1"))


@pytest.mark.service
@pytest.mark.timeout(1800)
def test_topic_is_exact_for_each_exchange(broker: LocalBroker, tmp_path: Path) -> None:
    plans = [plan_of(seed, exchange) for exchange in EXCHANGES for seed in range(_RUNS)]
    folder = {plan: tmp_path / plan.exchange for plan in plans}
    with ThreadPoolExecutor(len(EXCHANGES)) as pool:
        outcomes = list(
            pool.map(lambda plan: FaultRun(plan, broker.address, folder[plan]).play(), plans)
        )
    wrong = [f"{each.plan}\n" + "\n".join(each.problems) for each in outcomes if each.problems]
    assert not wrong, "\n\n".join(wrong)
