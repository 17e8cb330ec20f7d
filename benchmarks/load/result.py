"""What a ramp found."""

import msgspec

from benchmarks.measuring.cpu import OTHERS, Busy, is_disturbed
from benchmarks.measuring.machine import Origin


class Lag(msgspec.Struct, frozen=True):
    """What a consumer group had not committed.

    Attributes:
        highest: records, in the worst sample.
        growth: the share of what was appended by which the lag grew, by a fitted line.
        seconds: how long what it grew by over the span took to be appended.
    """

    highest: int
    growth: float
    seconds: float = 0.0


class Step(msgspec.Struct, frozen=True):
    """One rate, measured once.

    Attributes:
        asked: trades a second that the market was to make.
        reached: trades a second in the stored rows.
        rows: windows of all products that ended within the span.
        missing: those whose row had not come by the end of the wait.
        p50, p90, p99, largest: ms from window end + GRACE_MS to the row being readable; a missing
            row counts with the time it was waited for.
        cpu: by process; one core is 1.
        machine: share of all cores.
        lag: by consumer group.
        full: what was saturated, in words, the worst first.
        passes: whether the pipeline carried it.
    """

    asked: float
    reached: float
    rows: int
    missing: int
    p50: float
    p90: float
    p99: float
    largest: float
    cpu: dict[str, Busy]
    machine: Busy
    lag: dict[str, Lag]
    full: list[str]
    passes: bool

    @property
    def notes(self) -> list[str]:
        """What was saturated, and whether other programs disturbed the step."""
        if not is_disturbed(self.cpu):
            return self.full
        return [*self.full, f"disturbed by other programs ({self.cpu[OTHERS].mean:.0%} of a core)"]


class Variant(msgspec.Struct, frozen=True):
    """One ramp.

    Attributes:
        steps: in the order they were measured.
    """

    aggregators: int
    products: int
    steps: list[Step]

    @property
    def name(self) -> str:
        """What it is called in tables and pictures."""
        return f"{self.products:,} products, {self.aggregators} aggr."

    def best(self) -> Step | None:
        """Return the highest rate below every rate that failed, None where all failed."""
        failed = self.first_failed()
        carried = [
            each
            for each in self.steps
            if each.passes and (failed is None or each.asked < failed.asked)
        ]
        return max(carried, key=lambda step: step.asked, default=None)

    def first_failed(self) -> Step | None:
        """Return the lowest rate that was never carried, None where all were."""
        carried = {each.asked for each in self.steps if each.passes}
        failed = [each for each in self.steps if each.asked not in carried]
        return min(failed, key=lambda step: step.asked, default=None)

    def first_full(self) -> Step | None:
        """Return the lowest rate at which something was saturated."""
        full = [each for each in self.steps if each.full]
        return min(full, key=lambda step: step.asked, default=None)


class LoadResult(msgspec.Struct, frozen=True):
    """What was measured, and where.

    Attributes:
        limit_ms: what the freshness p99 had to stay under.
        seconds: of the measured span of each step.
    """

    origin: Origin
    limit_ms: float
    seconds: float
    variants: list[Variant]
