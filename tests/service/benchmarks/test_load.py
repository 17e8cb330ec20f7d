"""One step of the load benchmark, of real processes."""

import pytest

from benchmarks.load.step import Wanted, measure
from benchmarks.measuring.cpu import OTHERS

pytestmark = pytest.mark.service


def test_step_measures_rows_processes_and_lags_of_a_pipeline() -> None:
    said: list[str] = []
    wanted = Wanted(rate=200, products=3, aggregators=2, seconds=4, limit_ms=20_000, warm_seconds=1)
    step = measure(wanted, said.append)
    assert step.missing == 0
    assert step.rows in (9, 12, 15)
    assert 20 < step.reached < 2_000
    assert 0 < step.p50 <= step.p99 <= step.largest < 20_000
    services = {"producer", "aggregator", "aggregator-2", "writer"}
    assert set(step.cpu) == services | {"simulator", "broker", "benchmark", OTHERS}
    assert step.cpu["producer"].mean > 0
    assert set(step.lag) == {"aggregator", "writer"}
    assert any("of 4 s, lag: aggregator" in line for line in said)
