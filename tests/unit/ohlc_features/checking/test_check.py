"""``features check``: the shipped file passes, and each kind of bad definition is refused."""

from pathlib import Path

import pytest

from ohlc_features.checking.command import Report, check_definitions
from ohlc_features.checking.store_proof import store_problem
from ohlc_features.define import touched
from ohlc_features.define.loading import load_definitions

_SHIPPED = Path(__file__).resolve().parents[4] / "features" / "momentum.py"

_HEAD = """
import datetime
import numpy as np
from ohlc_features.define import FeatureGroup, ta
group = FeatureGroup("bad", intervals=["1m"])
"""


def _check(tmp_path: Path, body: str) -> Report:
    path = tmp_path / "bad.py"
    path.write_text(_HEAD + body, "utf-8")
    return check_definitions(path)


def test_shipped_definitions_pass() -> None:
    report = check_definitions(_SHIPPED)

    assert report.problems == []
    assert len(report.features) == 30
    assert all(each.is_portable for each in report.features)
    assert not any(each.seen.is_row_by_row for each in report.features)


BAD = {
    "look-ahead by index": (
        """
@group.feature(window=3)
def f(c):
    return c.close[3] / c.close[2] - 1
""",
        "look-ahead",
    ),
    "look-ahead by lag": (
        """
@group.feature(window=3)
def f(c):
    return ta.lag(c.close, -1)
""",
        "look-ahead",
    ),
    "clock": (
        """
@group.feature(window=1)
def f(c):
    return c.close[-1] * datetime.datetime.now().microsecond
""",
        "clock",
    ),
    "clock by import": (
        """
import time as watch
@group.feature(window=1)
def f(c):
    return watch.time()
""",
        "clock",
    ),
    "random": (
        """
@group.feature(window=1)
def f(c):
    return np.random.random()
""",
        "random",
    ),
    "window too short for an indicator": (
        """
@group.feature(window=30)
def f(c):
    return ta.rsi(c.close, 14)
""",
        "window",
    ),
    "window too short for a recursion by hand": (
        """
@group.feature(window=20)
def f(c):
    average = c.close[0]
    for x in c.close:
        average = average + 0.1 * (x - average)
    return average
""",
        "window",
    ),
    "set order": (
        """
@group.feature(window=3)
def f(c):
    total = 0.0
    for name in {"open", "close", "vwap"}:
        total = (total + float(getattr(c, name)[-1])) * 1.1
    return total
""",
        "set order",
    ),
    "built-in sum": (
        """
@group.feature(window=3)
def f(c):
    return sum(c.close)
""",
        "sum",
    ),
    "file": (
        """
@group.feature(window=1)
def f(c):
    with open(__file__) as file:
        return float(len(file.read()))
""",
        "file",
    ),
    "state between calls": (
        """
calls = 0
@group.feature(window=1)
def f(c):
    global calls
    calls += 1
    return c.close[-1] + calls
""",
        "state",
    ),
    "state in a list": (
        """
seen = []
@group.feature(window=1)
def f(c):
    seen.append(float(c.close[-1]))
    return seen[-1] - seen[0]
""",
        "differs",
    ),
    "no number at all": (
        """
@group.feature(window=1)
def f(c):
    return None
""",
        "null",
    ),
    "exception": (
        """
@group.feature(window=1)
def f(c):
    return c.nothing
""",
        "error",
    ),
}


def test_number_that_depends_on_what_else_is_stored_is_found_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "definitions.py"
    path.write_text(
        _HEAD + "@group.feature(window=3)\ndef f(c):\n    return c.close[-1]\n", "utf-8"
    )
    (defined,) = load_definitions(path)
    assert store_problem(defined, "1m") == ""

    # An evaluation that misses what a late candle changes.
    monkeypatch.setattr(touched, "_span", lambda each, _: touched.Span(each.end_ms, each.end_ms))

    assert "stored rows are not what their candles alone give" in store_problem(defined, "1m")


@pytest.mark.parametrize(("body", "rule"), BAD.values(), ids=BAD.keys())
def test_bad_definition_is_refused_for_its_reason(tmp_path: Path, body: str, rule: str) -> None:
    problems = _check(tmp_path, body).problems

    assert rule in {problem.rule for problem in problems}


def test_total_over_the_whole_window_is_no_short_window(tmp_path: Path) -> None:
    report = _check(
        tmp_path,
        """
@group.feature(window=20)
def f(c):
    return ta.ratio(2 * ta.total(c.buy_volume) - ta.total(c.volume), ta.total(c.volume))
""",
    )

    assert report.problems == []


def test_native_numerics_are_marked_as_not_portable(tmp_path: Path) -> None:
    report = _check(
        tmp_path,
        """
@group.feature(window=20)
def f(c):
    return float(np.std(np.asarray(c.close[-20:])))
""",
    )

    assert report.problems == []
    (feature,) = report.features
    assert feature.seen.is_row_by_row
    assert not feature.is_portable
