"""A slice of the fault runs, and a hostile run, for each exchange: the topic is exact."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_exchanges.registry import EXCHANGES
from support.fault_runs import FaultRun, hostile_plan, plan_of

_RUNS = int(os.environ.get("CONFORMANCE_FAULT_RUNS", "1"))


@pytest.mark.service
@pytest.mark.timeout(1800)
def test_topic_is_exact_for_each_exchange(broker: LocalBroker, tmp_path: Path) -> None:
    plans = [plan_of(seed, exchange) for exchange in EXCHANGES for seed in range(_RUNS)]
    plans += [hostile_plan(exchange) for exchange in EXCHANGES]
    runs = [
        FaultRun(plan, broker.address, tmp_path / str(number)) for number, plan in enumerate(plans)
    ]
    with ThreadPoolExecutor(len(EXCHANGES)) as pool:
        outcomes = list(pool.map(FaultRun.play, runs))
    wrong = [f"{each.plan}\n" + "\n".join(each.problems) for each in outcomes if each.problems]
    assert not wrong, "\n\n".join(wrong)
