"""A short soak of real processes."""

import pytest

from benchmarks.measuring.cpu import OTHERS
from benchmarks.measuring.machine import origin
from benchmarks.soak.judging import rates
from benchmarks.soak.run import Wanted, run

pytestmark = pytest.mark.service


def test_soak_reaches_its_days_and_samples_everything() -> None:
    wanted = Wanted(days=0.03, products=4, speed=200, rate=2, every=1)
    found = run(wanted, origin("make soak", []), lambda text: None)
    assert found.problem == ""
    assert found.hours[-1] - found.hours[0] >= 0.72
    assert found.missing == 0
    assert found.expected > 0
    services = {"simulator", "broker", "producer", "aggregator", "writer", "dashboard"}
    assert set(found.of("memory")) == services
    assert set(found.of("cpu")) == {*services, OTHERS}
    assert {"trades", "ohlc", "changelog"} <= set(found.of("topic"))
    assert min(value for _, value in found.of("memory")["writer"]) > 10
    told = {each.name: each.total for each in rates(found)}
    assert told["trades appended"] > 100
    assert told["candles written"] > found.expected
    assert told["feature rows"] > 0
    counts = {name: points[-1][1] for name, points in found.of("count").items()}
    # Late trades depend on how soon the simulator gets its turn.
    assert "late trades" in counts
    wrong = ("dead letters", "gap records", "malformed")
    assert {name: counts[name] for name in wrong} == dict.fromkeys(wrong, 0.0)
