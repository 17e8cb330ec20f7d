"""A short run of `make chaos`: real processes, seeded faults, judged against other code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

_TESTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("seed", "guarantee"), [(0, "at-least-once"), (1, "exactly-once")])
@pytest.mark.usefixtures("_kafka")
def test_pipeline_under_a_short_schedule_of_faults_is_exact(seed: int, guarantee: str) -> None:
    few = {"CHAOS_TRADES": "2000", "CHAOS_FAULTS": "16", "CHAOS_BLOWS": "6", "CHAOS_SHRINK": "0"}
    ran = subprocess.run(
        [sys.executable, "-m", "chaos.run"],
        cwd=_TESTS,
        env={**os.environ, **few, "CHAOS_SEEDS": str(seed)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    assert f" {guarantee} " in said
    assert ": exact; " in said
