"""The pictures benchmarks draw."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from benchmarks.measuring.chart import Line, Panel, svg, ticks


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 7), (3, 19_500), (0, 0.02), (-4, 9)])
def test_ticks_are_even_and_cover_the_range(low: float, high: float) -> None:
    found = ticks(low, high)
    steps = [after - before for before, after in pairwise(found)]
    assert found[0] <= low
    assert found[-1] >= high * (1 - 1e-9)
    assert max(steps) == pytest.approx(min(steps))
    assert 3 <= len(found) <= 8


def _ys(picture: str) -> list[float]:
    circles = ElementTree.fromstring(picture).findall(".//{*}circle")
    return [float(each.attrib["cy"]) for each in circles]


@pytest.mark.parametrize("log", [False, True])
def test_greater_values_are_higher(log: bool) -> None:
    line = Line("a", [(1.0, 10.0), (2.0, 200.0), (3.0, 1_000.0)])
    ys = _ys(svg([Panel("t", "x", "y", [line], log=log)]))
    assert ys == sorted(ys, reverse=True)
    assert len(set(ys)) == 3


def test_log_scale_spaces_tenfolds_evenly() -> None:
    line = Line("a", [(1.0, 10.0), (2.0, 100.0), (3.0, 1_000.0)])
    first, second, third = _ys(svg([Panel("t", "x", "y", [line], log=True)]))
    assert first - second == pytest.approx(second - third, abs=0.2)


def test_limit_is_within_the_picture() -> None:
    line = Line("a", [(1.0, 10.0), (2.0, 20.0)])
    root = ElementTree.fromstring(svg([Panel("t", "x", "y", [line], limit=90.0)]))
    (dashed,) = [each for each in root.findall(".//{*}line") if "stroke-dasharray" in each.attrib]
    assert 0 < float(dashed.attrib["y1"]) < 300


def test_names_are_escaped_and_empty_panels_say_so() -> None:
    picture = svg([Panel("a < b", "x", "y", []), Panel("flat", "x", "y", [Line("&", [(1, 1)])])])
    texts = [each.text for each in ElementTree.fromstring(picture).iter()]
    assert "a < b" in texts
    assert "no samples" in texts
