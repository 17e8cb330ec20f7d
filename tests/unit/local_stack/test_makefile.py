"""What a user gives to make is data: it reaches the program as it is and is never run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_RECORDER = """#!/bin/sh
printf '%s\\n' "$@" > "$OUT/arguments"
printf '%s' "$FROM_DAY" > "$OUT/from"
printf '%s' "$TO_DAY" > "$OUT/to"
printf '%s' "$FEATURE_STORE" > "$OUT/store"
"""
_HOSTILE = (
    '2023-08-01"; touch pwned; "',
    "`touch pwned`",
    "$(touch pwned)",
    "$(shell touch pwned)",
    "$$(touch pwned)",
    "'; touch pwned; '",
    "a\ntouch pwned",
    "${shell touch pwned}",
    '\\"; touch pwned #',
)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The Makefile with programs that record what they are given."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(_ROOT / name, tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("run.txt", "dev.txt", "hopsworks.txt"):
        (tmp_path / "requirements" / name).touch()
    for venv in (".venv", ".venv-hopsworks"):
        (tmp_path / venv / "bin").mkdir(parents=True)
        for program in ("local-stack", "python", "ruff", "mypy"):
            path = tmp_path / venv / "bin" / program
            path.write_text(_RECORDER)
            path.chmod(0o755)
        for mark in (".run", ".dev"):
            (tmp_path / venv / mark).touch()
    return tmp_path


def _make(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "OUT": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not list(folder.rglob("pwned")), arguments
    return done.stderr


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_days_reach_backfill_as_they_are(folder: Path, hostile: str) -> None:
    for target in ("backfill", "verify", "docker-backfill"):
        for name in ("from_day", "to_day", "FROM_DAY", "TO_DAY"):
            _make(folder, target, **{name: hostile})
            if target != "docker-backfill":
                assert (folder / name[:-4].lower()).read_text() == hostile
            _make(folder, target, f"{name}={hostile}")


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_other_values_are_never_run(folder: Path, hostile: str) -> None:
    _make(folder, "consume", topic=hostile)
    assert (folder / "arguments").read_text() == f"consume\n--\n{hostile}\n"
    _make(folder, "consume", f"topic={hostile}", f"from={hostile}", f"raw={hostile}")
    for name, target in (
        ("FEATURE_STORE", "verify"),
        ("FEATURE_STORE", "demo"),
        ("service", "logs"),
        ("ARGS", "test-fast"),
        ("FAULT_RUNS", "fault-matrix"),
        ("FAULT_SEED", "fault-matrix"),
    ):
        _make(folder, target, **{name: hostile})
        _make(folder, target, f"{name}={hostile}")


def test_store_chooses_environment_of_verify(folder: Path) -> None:
    _make(folder, "verify", FEATURE_STORE="hopsworks", from_day="2023-08-01")
    assert (folder / "store").read_text() == "hopsworks"
    assert (folder / "from").read_text() == "2023-08-01"


def test_help_lists_targets_by_purpose(folder: Path) -> None:
    done = subprocess.run(["make"], cwd=folder, capture_output=True, text=True, check=True)
    assert "Run it on this machine, without Docker:\n  demo " in done.stdout
    assert "  status " in done.stdout


def test_ctrl_c_while_the_environment_is_made_leaves_no_traceback(folder: Path) -> None:
    shutil.rmtree(folder / ".venv")
    with subprocess.Popen(
        ["make", "init", f"PYTHON={sys.executable}"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as making:
        while not (folder / ".venv").exists():
            assert making.poll() is None
            time.sleep(0.02)
        os.killpg(making.pid, signal.SIGINT)
        _, shown = making.communicate(timeout=30)
    assert making.returncode != 0
    assert "Traceback" not in shown
    assert not (folder / ".venv" / ".run").exists()
