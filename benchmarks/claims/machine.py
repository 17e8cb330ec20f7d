"""The machine and the commit that figures are of."""

import os
import platform
import subprocess
from pathlib import Path

import msgspec
import psutil

from benchmarks.claims.model import ROOT


class Machine(msgspec.Struct, frozen=True):
    """What figures depend on."""

    cpu: str
    cores: int
    ram_gb: int
    python: str
    system: str

    def shown(self) -> str:
        """Return it as a phrase."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.ram_gb} GB, CPython {self.python}, "
            f"{self.system}"
        )


def this_machine() -> Machine:
    """Describe where this runs."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        ram_gb=round(psutil.virtual_memory().total / 2**30),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
    )


def this_commit() -> str:
    """Return the commit, with what says that files differ from it; empty without git."""
    command = ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
