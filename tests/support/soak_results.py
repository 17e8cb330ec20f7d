"""Made-up results of a soak."""

from benchmarks.claims.machine import Machine
from benchmarks.measuring.cpu import Busy
from benchmarks.measuring.machine import Origin
from benchmarks.soak.result import Kind, Series, SoakResult

#: Event hours of the samples.
HOURS = [float(hour) for hour in range(0, 49, 2)]


def result(*series: tuple[Kind, str, list[float]], **given: object) -> SoakResult:
    """Return a result of two days with 10 products."""
    machine = Machine("a machine", 2, 8, "3.11.0", "Linux")
    fields: dict[str, object] = {
        "origin": Origin(machine, "0123", "2026-01-01", "make soak"),
        "days": 2.0,
        "speed": 270.0,
        "products": 10,
        "rate": 1.0,
        "seconds": [hour * 13 for hour in HOURS],
        "hours": HOURS,
        "series": [Series(*each) for each in series],
        "missing": 0,
        "expected": 28_800,
        "cpu": {"writer": Busy(0.3, 0.5, 0.0)},
        "machine": Busy(0.6, 0.8, 0.0),
    }
    return SoakResult(**fields | given)  # type: ignore[arg-type]


def line(begin: float, an_hour: float) -> list[float]:
    """Return samples that grow evenly."""
    return [begin + an_hour * hour for hour in HOURS]
