"""What a soak says of what grows."""

import pytest

from benchmarks.measuring.fit import slope
from benchmarks.soak.judging import failures, rates, second_half, verdicts
from benchmarks.soak.result import Kind
from support.soak_results import HOURS, line, result

# Up and down around a level, as lags and heaps do.
SWINGS = [each % 3 * 0.4 for each in range(len(HOURS))]


def test_line_is_fitted_by_least_squares() -> None:
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]) == pytest.approx(0.0)
    assert slope([(1.0, 5.0)]) == slope([]) == 0.0


def test_second_half_is_by_time_not_by_samples() -> None:
    points = [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (9.0, 1.0), (10.0, 2.0)]
    assert second_half(points) == points[3:]


@pytest.mark.parametrize(
    ("kind", "an_hour"),
    [("memory", 1.0), ("files", 0.5), ("threads", 0.5), ("state", 2.0), ("lag", 0.1)],
)
def test_what_leaks_is_named(kind: Kind, an_hour: float) -> None:
    (found,) = failures(result((kind, "writer", line(20.0, an_hour))))
    assert found.startswith(f"{kind} of writer grew by {24 * an_hour:.1f}")


@pytest.mark.parametrize("kind", ["memory", "files", "threads", "state", "lag", "behind"])
def test_what_swings_around_a_level_holds(kind: Kind) -> None:
    assert failures(result((kind, "writer", SWINGS))) == []


def test_what_grew_in_the_first_half_only_holds() -> None:
    warming = [min(300.0, 20 * hour) for hour in HOURS]
    (found,) = verdicts(result(("memory", "aggregator", warming)))
    assert found.holds
    assert found.growth == pytest.approx(0.0)


def test_growth_of_a_large_thing_is_measured_against_its_size() -> None:
    assert failures(result(("memory", "broker", line(400.0, 0.8)))) == []
    assert failures(result(("memory", "writer", line(40.0, 0.8))))


def test_simulator_may_keep_its_trades_and_its_rate_is_told() -> None:
    run = result(("memory", "simulator", line(50.0, 5.0)))
    assert failures(run) == []
    (found,) = rates(run)
    assert (found.name, found.total) == ("simulator", 290.0)
    assert found.per_product_day == pytest.approx(5.0 * 24 / 10)


def test_rates_are_by_product_and_event_day() -> None:
    rows = line(0.0, 600.0)
    (found,) = rates(result(("count", "candles written", rows)))
    assert found.per_product_day == pytest.approx(1_440)
    assert found.total == rows[-1]


@pytest.mark.parametrize("name", ["late trades", "dead letters", "gap records", "revisions"])
def test_what_no_undisturbed_market_gives_fails(name: str) -> None:
    once = [0.0] * (len(HOURS) - 1) + [3.0]
    assert failures(result(("count", name, once))) == [f"3 {name}; allowed: 0"]


def test_missing_rows_and_an_early_end_fail() -> None:
    found = failures(result(missing=7, problem="the writer ended"))
    assert found == ["the writer ended", "7 of 28800 rows of a minute are missing"]
