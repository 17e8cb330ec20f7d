"""What a soak sampled."""

from typing import Literal

import msgspec

from benchmarks.measuring.cpu import Busy
from benchmarks.measuring.fit import Point
from benchmarks.measuring.machine import Origin

Kind = Literal[
    "memory", "files", "threads", "cpu", "topic", "state", "store", "lag", "behind", "count"
]


class Series(msgspec.Struct):
    """One thing, sample by sample.

    Attributes:
        kind: memory in MB, open files, threads, CPU as a share of one core, topic, state folder and
            store on the disk in MB, a group's lag and how far rows are behind the exchange's clock
            in seconds, counts.
        name: the process, topic or group.
    """

    kind: Kind
    name: str
    values: list[float]


class SoakResult(msgspec.Struct, frozen=True):
    """A run.

    Attributes:
        days: of event time that were wanted.
        speed: simulated seconds a second.
        rate: trades a simulated second of all products.
        seconds: of real time at each sample.
        hours: of event time, reached by the row of the slowest product, at each sample.
        series: as many values each.
        missing: rows of a minute that should be in the store and are not, or are incomplete.
        expected: how many there should be.
        cpu, machine: over the whole run.
        problem: what ended it early; empty if nothing did.
    """

    origin: Origin
    days: float
    speed: float
    products: int
    rate: float
    seconds: list[float]
    hours: list[float]
    series: list[Series]
    missing: int
    expected: int
    cpu: dict[str, Busy]
    machine: Busy
    problem: str = ""

    def of(self, kind: Kind) -> dict[str, list[Point]]:
        """Return the series of a kind over event hours, by name."""
        return {
            each.name: list(zip(self.hours, each.values, strict=True))
            for each in self.series
            if each.kind == kind
        }
