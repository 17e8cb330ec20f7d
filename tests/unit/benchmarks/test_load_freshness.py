"""How long rows took, by the store."""

from benchmarks.load.freshness import quantiles, waits

DUE = [("A", 1_000), ("A", 2_000)]


def test_wait_begins_at_window_end_and_grace() -> None:
    found = waits([("A", 1_000, 2_030, 5), ("A", 2_000, 3_050, 7)], DUE, 1_000, 9_000)
    assert found == ([30.0, 50.0], 0, 12)


def test_row_that_was_corrected_counts_from_its_first_version() -> None:
    rows = [("A", 1_000, 4_000, 6), ("A", 1_000, 2_030, 0), ("A", 2_000, 3_050, 7)]
    assert waits(rows, DUE, 1_000, 9_000).ms == [30.0, 50.0]


def test_missing_row_counts_as_waited_for_until_the_store_was_read() -> None:
    found = waits([("A", 1_000, 2_030, 5)], DUE, 1_000, 9_000)
    assert found == ([30.0, 6_000.0], 1, 5)


def test_quantiles_are_of_the_waits() -> None:
    assert quantiles([float(each) for each in range(101)]) == (50.0, 90.0, 99.0, 100.0)
