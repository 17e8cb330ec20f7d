"""What a step says was saturated."""

import pytest

from benchmarks.load.saturation import busiest, is_growing, lag_of, saturated
from benchmarks.measuring.cpu import OTHERS, Busy, summary
from benchmarks.measuring.lags import Place

IDLE = Busy(0.2, 0.5, 0.0)
CALM = {"aggregator": lag_of([(0.0, Place(0, 10)), (2.0, Place(2_000, 12))])}


def test_nothing_is_named_where_nothing_is_full() -> None:
    assert saturated({"producer": IDLE}, IDLE, 2, CALM) == []


def test_full_processes_are_named_busiest_first() -> None:
    cpu = {"writer": Busy(0.91, 1.0, 0.6), "idle": IDLE, "producer": Busy(0.99, 1.0, 1.0)}
    assert saturated(cpu, IDLE, 2, CALM) == [
        "producer full (99% of a core)",
        "writer full (91% of a core)",
    ]


def test_process_full_in_bursts_is_named() -> None:
    cpu = {"simulator": Busy(0.6, 1.0, 0.2)}
    assert saturated(cpu, IDLE, 2, CALM) == ["simulator full in 20% of the seconds"]


def test_full_machine_and_growing_lag_are_named() -> None:
    growing = lag_of([(float(each), Place(1_000 * each, 100 * each)) for each in range(30)])
    found = saturated({"broker": IDLE}, Busy(0.97, 1.0, 1.0), 2, {"writer": growing})
    assert found == ["all 2 cores full", "lag of writer grows"]


def test_machine_full_in_bursts_is_named() -> None:
    found = saturated({"broker": IDLE}, Busy(0.85, 0.99, 0.3), 2, CALM)
    assert found == ["all 2 cores at 90 % in 30% of the seconds"]


def test_lag_that_swings_with_commits_does_not_grow() -> None:
    swinging = lag_of([(float(each), Place(1_000 * each, each % 2 * 900)) for each in range(30)])
    assert swinging.highest == 900
    assert not is_growing(swinging)


def test_lag_of_few_samples_that_grew_by_less_than_commits_swing_does_not_grow() -> None:
    lag = lag_of([(0.0, Place(0, 0)), (2.0, Place(2_000, 300)), (4.0, Place(4_000, 700))])
    assert lag.growth > 0.1
    assert not is_growing(lag)


def test_lag_is_measured_against_what_was_appended() -> None:
    lag = lag_of([(float(each), Place(1_000 * each, 250 * each)) for each in range(5)])
    assert lag.growth == pytest.approx(0.25)


def test_summary_counts_full_seconds() -> None:
    busy = summary([0.5, 0.95, 1.3, 0.1])
    assert (busy.peak, busy.full) == (1.3, 0.5)
    assert busy.mean == pytest.approx(0.7125)


def test_busiest_process_is_named_where_nothing_is_full() -> None:
    assert busiest({"broker": IDLE, "writer": Busy(0.4, 0.5, 0.0)}) == "writer 40% of a core"


def test_other_programs_are_never_named_as_ours() -> None:
    cpu = {"writer": Busy(0.4, 0.5, 0.0), OTHERS: Busy(0.95, 1.0, 0.9)}
    assert saturated(cpu, IDLE, 2, CALM) == []
    assert busiest(cpu) == "writer 40% of a core"
