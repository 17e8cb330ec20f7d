"""A few seconds of fuzzing with every run of the tests; `make fuzz` goes on for FUZZ_SECONDS."""

import os

import pytest

from fuzz import run, targets

EVERY = targets.every()
SECONDS = float(os.environ.get("FUZZ_SECONDS") or 5) / len(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_no_input_is_more_than_refused(name: str) -> None:
    for data in run.failed_before(name):
        run.run_one(EVERY[name], data)
    assert run.mutate(name, EVERY[name], SECONDS, seed=7, runs=100_000) > 0
