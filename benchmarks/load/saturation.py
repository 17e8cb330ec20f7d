"""What was saturated in a step: named by what was measured, the worst first."""

from collections.abc import Mapping, Sequence

from benchmarks.load.result import Lag
from benchmarks.measuring.cpu import FULL, OTHERS, Busy
from benchmarks.measuring.fit import slope
from benchmarks.measuring.lags import Place

#: The share of a step's seconds in which a process may be full: bursts are part of a market.
_FULL_SECONDS = 0.1
#: All cores together are full from this share on.
_MACHINE_FULL = 0.95
#: A lag that takes up this share of what is appended grows.
_GROWTH = 0.05
#: Commits come once a second: a lag that grew by less than this many seconds only swings.
_SWING_SECONDS = 2.0


def lag_of(samples: Sequence[tuple[float, Place]]) -> Lag:
    """Return the lag of a group from samples: seconds, and where it stood."""
    appended = slope([(at, place.end) for at, place in samples])
    grows = slope([(at, place.lag) for at, place in samples])
    highest = max((place.lag for _, place in samples), default=0)
    if appended <= 0:
        return Lag(highest, 0.0)
    growth = grows / appended
    return Lag(highest, growth, growth * (samples[-1][0] - samples[0][0]))


def saturated(
    cpu: Mapping[str, Busy], machine: Busy, cores: int, lag: Mapping[str, Lag]
) -> list[str]:
    """Return what was saturated, in words.

    Args:
        cpu: by process; one core is 1.
        machine: share of all cores.
        cores: how many there are.
        lag: by consumer group.
    """
    found = [
        f"{name} {_how_full(busy)}"
        for name, busy in sorted(cpu.items(), key=lambda each: -each[1].mean)
        if name != OTHERS and (busy.mean >= FULL or busy.full >= _FULL_SECONDS)
    ]
    if machine.mean >= _MACHINE_FULL:
        found.append(f"all {cores} cores full")
    elif machine.full >= _FULL_SECONDS:
        found.append(f"all {cores} cores at 90 % in {machine.full:.0%} of the seconds")
    found += [f"lag of {group} grows" for group, each in lag.items() if is_growing(each)]
    return found


def is_growing(lag: Lag) -> bool:
    """Return whether a group falls behind for good."""
    return lag.growth > _GROWTH and lag.seconds > _SWING_SECONDS


def busiest(cpu: Mapping[str, Busy]) -> str:
    """Return the process that used most, in words."""
    ours = [each for each in cpu.items() if each[0] != OTHERS]
    name, busy = max(ours, key=lambda each: each[1].mean)
    return f"{name} {busy.mean:.0%} of a core"


def _how_full(busy: Busy) -> str:
    if busy.mean >= FULL:
        return f"full ({busy.mean:.0%} of a core)"
    return f"full in {busy.full:.0%} of the seconds"
