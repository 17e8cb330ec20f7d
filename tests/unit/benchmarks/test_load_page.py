"""docs/load.md and its picture say what was measured."""

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks.claims.machine import Machine
from benchmarks.load.page import page, picture, summary
from benchmarks.load.result import Lag, LoadResult, Step, Variant
from benchmarks.measuring.cpu import OTHERS, Busy
from benchmarks.measuring.machine import Origin

ROOT = Path(__file__).resolve().parents[3]


def _step(asked: float, p99: float, full: list[str], *, passes: bool) -> Step:
    return Step(
        asked=asked,
        reached=asked * 0.9,
        rows=400,
        missing=0,
        p50=20.0,
        p90=30.0,
        p99=p99,
        largest=p99 + 1,
        cpu={"producer": Busy(0.5, 0.6, 0.0)},
        machine=Busy(0.7, 0.8, 0.0),
        lag={"aggregator": Lag(12, 0.0)},
        full=full,
        passes=passes,
    )


def _result(*steps: Step, seconds: float = 30.0) -> LoadResult:
    origin = Origin(
        Machine("a machine", 2, 8, "3.11.0", "Linux"), "0123", "2026-01-01", "make bench-load"
    )
    return LoadResult(origin, 250.0, seconds, [Variant(2, 100, list(steps))])


HELD = _step(1_000, 40, [], passes=True)
FULL = _step(2_000, 900, ["producer full (99% of a core)"], passes=False)


def test_summary_names_highest_rate_and_what_is_full_first() -> None:
    row = summary(_result(FULL, HELD)).splitlines()[-1]
    assert "| 100 | 2 | 1,000 | 900 | 40 ms |" in row
    assert "at 2,000: producer full" in row
    assert "p99 900 ms" in row


def test_rate_that_was_carried_at_second_try_is_no_limit() -> None:
    again = msgspec.structs.replace(FULL, passes=True)
    row = summary(_result(HELD, FULL, again)).splitlines()[-1]
    assert "| 2,000 |" in row
    assert "no higher rate was tried" in row


def test_rate_above_a_failed_one_is_not_the_highest() -> None:
    lucky = _step(5_000, 90, [], passes=True)
    assert "| 1,000 |" in summary(_result(HELD, FULL, lucky)).splitlines()[-1]


def test_busiest_process_is_named_where_nothing_was_full() -> None:
    slow = _step(2_000, 900, [], passes=False)
    assert "nothing full; busiest: producer 50%" in summary(_result(HELD, slow))


def test_step_disturbed_by_other_programs_says_so_and_is_not_full() -> None:
    cpu = {**HELD.cpu, OTHERS: Busy(0.4, 0.9, 0.1)}
    result = _result(msgspec.structs.replace(HELD, cpu=cpu))
    assert "disturbed by other programs (40% of a core)" in page(result)
    assert "disturbed" not in summary(result)


def test_variant_without_a_carried_rate_says_none() -> None:
    assert "| 100 | 2 | none |" in summary(_result(FULL))


@pytest.mark.parametrize(("seconds", "is_trial"), [(8.0, True), (30.0, False)])
def test_page_of_a_short_run_is_marked(seconds: float, is_trial: bool) -> None:
    assert ("no measurement" in page(_result(HELD, seconds=seconds))) is is_trial


def test_page_has_every_rate_and_where_it_was_measured() -> None:
    text = page(_result(HELD, FULL))
    for words in ("a machine", "2026-01-01", "    make bench-load", "| 1,000 |", "| 2,000 |"):
        assert words in text


def test_picture_has_a_point_for_each_rate() -> None:
    root = ElementTree.fromstring(picture(_result(HELD, FULL)))
    assert len(root.findall(".//{*}circle")) == 2
    assert any("100 products" in (each.text or "") for each in root.iter())


def test_page_and_picture_are_those_of_the_result() -> None:
    result = msgspec.json.decode((ROOT / "docs/load.json").read_bytes(), type=LoadResult)
    assert (ROOT / "docs/load.md").read_text() == page(result)
    assert (ROOT / "docs/images/load.svg").read_text() == picture(result)
