"""What must not grow, and what what grows comes to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.measuring.fit import Point, slope
from benchmarks.soak.result import Kind, SoakResult

#: Grows by design: it keeps every trade of its market.
KEEPS_ALL = "simulator"


class Bound(NamedTuple):
    """By how much a thing may grow over the second half: the greater of the two.

    Attributes:
        share: of its mean.
        least: in its unit.
    """

    share: float
    least: float


BOUNDS: Mapping[Kind, Bound] = {
    "memory": Bound(0.05, 8.0),
    "files": Bound(0.05, 3.0),
    "threads": Bound(0.05, 3.0),
    "state": Bound(0.10, 8.0),
    "lag": Bound(0.0, 1.0),
    "behind": Bound(0.0, 1.0),
}
#: What must not be counted at all: of an undisturbed market nothing is late, wrong or lost.
_MUST_BE_ZERO = ("gap records", "malformed", "late trades", "revisions", "dead letters")


class Verdict(NamedTuple):
    """One thing, over the second half of the run.

    Attributes:
        mean: in its unit.
        growth: by the fitted line, from the half's begin to its end.
        bound: what that may be.
    """

    kind: Kind
    name: str
    mean: float
    growth: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether it does not grow."""
        return self.growth <= self.bound


class Rate(NamedTuple):
    """Something that grows: what a product adds to it in a day of event time."""

    kind: Kind
    name: str
    total: float
    per_product_day: float


def second_half(points: Sequence[Point]) -> Sequence[Point]:
    """Return the points of the second half of the time that they span."""
    if not points:
        return points
    middle = (points[0][0] + points[-1][0]) / 2
    return [each for each in points if each[0] >= middle]


def verdicts(result: SoakResult) -> list[Verdict]:
    """Return whether each thing that must not grow did."""
    found = []
    for kind, bound in BOUNDS.items():
        for name, points in result.of(kind).items():
            half = second_half(points)
            if (kind, name) != ("memory", KEEPS_ALL) and half:
                mean = sum(value for _, value in half) / len(half)
                growth = slope(half) * (half[-1][0] - half[0][0])
                allowed = max(bound.share * mean, bound.least)
                found.append(Verdict(kind, name, mean, growth, allowed))
    return found


def rates(result: SoakResult) -> list[Rate]:
    """Return what grows, by the fitted line over the second half."""
    wanted: dict[tuple[Kind, str], list[Point]] = {
        ("store", "SQLite"): result.of("store").get("SQLite", []),
        ("memory", KEEPS_ALL): result.of("memory").get(KEEPS_ALL, []),
    }
    counts = result.of("count")
    for name in ("trades appended", "candles written", "feature rows"):
        wanted["count", name] = counts.get(name, [])
    for name, points in result.of("topic").items():
        wanted["topic", name] = points
    return [
        Rate(kind, name, points[-1][1], slope(second_half(points)) * 24 / result.products)
        for (kind, name), points in wanted.items()
        if points
    ]


def failures(result: SoakResult) -> list[str]:
    """Return everything that is wrong, in words; empty where nothing is."""
    found = [result.problem] if result.problem else []
    found += [
        f"{each.kind} of {each.name} grew by {each.growth:.1f} over the second half; "
        f"allowed: {each.bound:.1f}"
        for each in verdicts(result)
        if not each.holds
    ]
    counts = result.of("count")
    for name in _MUST_BE_ZERO:
        points = counts.get(name, [])
        if points and points[-1][1]:
            found.append(f"{points[-1][1]:.0f} {name}; allowed: 0")
    if result.missing:
        found.append(f"{result.missing} of {result.expected} rows of a minute are missing")
    return found
