"""Runs a command and reads its claims' figures out of what it gives."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.claims.model import ROOT, Command
from benchmarks.claims.registry import claims_of

#: What this make tells its children, which the benchmark's own make must not hear.
_OF_MAKE = (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKEOVERRIDES",
    "MAKELEVEL",
    "MAKEFILES",
    "ARGS",
    "ONLY",
    "RUNS",
)


class RunFailedError(Exception):
    """A run that gave no figures, or not all of them."""


def run_once(command: Command, *, quick: bool) -> dict[str, float]:
    """Run a command; return its claims' figures.

    Raises:
        RunFailedError: it did not end well, or figures are missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "figures.json"
        output = _output(command, written, quick=quick)
        figures = json.loads(written.read_text()) if written.exists() else {}
    found, missing = {}, []
    for claim in claims_of(command.name):
        try:
            found[claim.name] = claim.read(figures, output)
        except LookupError as error:
            missing.append(f"{claim.name}: {error}")
    if missing:
        raise RunFailedError("; ".join(missing))
    return found


def _output(command: Command, written: Path, *, quick: bool) -> str:
    arguments = shlex.split(command.quick or command.arguments if quick else command.arguments)
    if command.writes_json:
        arguments += ["--json", str(written)]
    variables = dict(command.quick_variables if quick else command.variables)
    if command.is_tests:
        words = [sys.executable, "-m", "pytest", "-q", "-s", "--timeout=0", command.target]
    elif command.is_script:
        words = [sys.executable, command.target, *arguments]
    else:
        words = ["make", "--no-print-directory", command.target]
        variables["ARGS"] = shlex.join(arguments)
    env = {name: value for name, value in os.environ.items() if name not in _OF_MAKE} | variables
    began = time.monotonic()
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            raise
    if process.returncode != 0:
        said = output.strip()[-2_000:]
        took = time.monotonic() - began
        raise RunFailedError(f"exit code {process.returncode} after {took:.0f} s:\n{said}")
    return output
