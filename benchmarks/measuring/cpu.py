"""How busy processes are, second by second."""

import time
from collections.abc import Mapping

import msgspec
import psutil

#: From this share of a core on a process counts as full.
FULL = 0.9
#: The name of everything else that ran on the machine.
OTHERS = "others"
#: Other programs that use this share of a core disturb what is measured.
_DISTURBS = 0.25


class Busy(msgspec.Struct, frozen=True):
    """How busy a process was.

    Attributes:
        mean, peak: shares of one core, over all seconds and of the busiest.
        full: the share of the seconds in which it used 90 % of a core or more.
    """

    mean: float
    peak: float
    full: float


class CpuWatch:
    """Samples the CPU time of processes; call `sample` about once a second.

    What the machine used beyond these processes is shown as one more, `OTHERS`.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._shares: dict[str, list[float]] = {name: [] for name in (*pids, OTHERS)}
        self._machine: list[float] = []
        self._cores = psutil.cpu_count() or 1
        self._at = time.monotonic()
        self._used = self._cpu_seconds()
        self._all = _machine_seconds()

    def sample(self) -> None:
        """Note what was used since the last sample."""
        now, used, everything = time.monotonic(), self._cpu_seconds(), _machine_seconds()
        passed = now - self._at
        for name, seconds in used.items():
            self._shares[name].append((seconds - self._used[name]) / passed)
        ours = sum(used.values()) - sum(self._used.values())
        total = everything - self._all
        self._shares[OTHERS].append(max(0.0, total - ours) / passed)
        self._machine.append(total / passed / self._cores)
        self._at, self._used, self._all = now, used, everything

    def newest(self) -> dict[str, float]:
        """Return each process's share of a core in the last sample."""
        return {name: shares[-1] for name, shares in self._shares.items()}

    def busy(self) -> dict[str, Busy]:
        """Return how busy each process was over all samples."""
        return {name: summary(shares) for name, shares in self._shares.items()}

    def machine(self) -> Busy:
        """Return how busy the machine was; shares of all cores together."""
        return summary(self._machine)

    def _cpu_seconds(self) -> dict[str, float]:
        times = {name: each.cpu_times() for name, each in self._processes.items()}
        return {name: each.user + each.system for name, each in times.items()}


def _machine_seconds() -> float:
    times = psutil.cpu_times()
    # Linux counts a guest's time within the user's.
    idle = {"idle", "iowait", "guest", "guest_nice"}
    return float(sum(value for name, value in times._asdict().items() if name not in idle))


def is_disturbed(cpu: Mapping[str, Busy]) -> bool:
    """Return whether other programs took what the watched ones may have needed."""
    return OTHERS in cpu and cpu[OTHERS].mean >= _DISTURBS


def summary(shares: list[float]) -> Busy:
    """Return mean, peak and how often a core was full; zeros for no samples."""
    if not shares:
        return Busy(0.0, 0.0, 0.0)
    full = sum(each >= FULL for each in shares)
    return Busy(sum(shares) / len(shares), max(shares), full / len(shares))
