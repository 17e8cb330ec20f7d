"""``make claims``: measures every claim again and writes docs/claims.md.

ONLY names a command or a claim. RUNS says how often each command runs (3); 0 writes the page out of
what is kept. QUICK=1 only tries whether the commands give their figures, and keeps nothing. A
command that fails is named, and the others go on.
"""

import os
import statistics
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from datetime import UTC, datetime

from benchmarks.claims import page, stored
from benchmarks.claims.machine import this_commit, this_machine
from benchmarks.claims.measure import RunFailedError, run_once
from benchmarks.claims.model import Command
from benchmarks.claims.registry import chosen, claims_of


def measure(command: Command, runs: int, *, quick: bool) -> dict[str, list[float]]:
    """Run a command so often; return the figures by claim.

    Raises:
        RunFailedError: one run did.
    """
    figures: dict[str, list[float]] = {each.name: [] for each in claims_of(command.name)}
    for number in range(1, runs + 1):
        print(f"{command.name}: run {number} of {runs} ...", flush=True)
        began = time.monotonic()
        for name, value in run_once(command, quick=quick).items():
            figures[name].append(value)
        print(f"{command.name}: run {number} took {time.monotonic() - began:.0f} s", flush=True)
    return figures


def show(command: Command, figures: dict[str, list[float]], *, quick: bool) -> list[str]:
    """Print what was measured; return the bounds that it breaks."""
    broken = []
    for claim in claims_of(command.name):
        values = figures[claim.name]
        verdict = "" if quick else f"  {page.verdict_of(claim, values)}"
        print(f"  {claim.name:36} {statistics.median(values):>14,.2f} {claim.unit:10}{verdict}")
        if not quick and page.breaks_bound(claim, values):
            broken.append(f"{claim.name} is beyond its bound of {claim.bound:g}")
    return broken


def main() -> int:
    """Measure what was asked for; return the exit code."""
    quick = os.environ.get("QUICK", "") not in ("", "0")
    text = os.environ.get("RUNS") or "3"
    if not text.isdigit():
        print(f"RUNS was {text!r}; allowed: 0 and more", file=sys.stderr)
        return 2
    try:
        commands = chosen(os.environ.get("ONLY", "")) if int(text) else []
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    machine, commit, problems = this_machine(), this_commit(), []
    print(f"to measure: {len(commands)}, on {machine.shown()}", flush=True)
    for command in commands:
        date = datetime.now(UTC).date().isoformat()
        try:
            runs = 1 if quick else command.runs or int(text)
            figures = measure(command, runs, quick=quick)
        except RunFailedError as failure:
            print(f"{command.name}: failed: {failure}", flush=True)
            problems.append(f"{command.name} failed")
            continue
        problems += show(command, figures, quick=quick)
        if not quick:
            results = stored.load()
            results[command.name] = stored.Result(date, commit, machine, command.shown(), figures)
            stored.save(results)
            page.PAGE.write_text(page.render(results))
    if not quick:
        page.PAGE.write_text(page.render(stored.load()))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    # It takes none: what was meant as one must not start hours of work.
    ArgumentParser(
        prog="make claims", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    ).parse_args()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; what was measured before is kept", file=sys.stderr)
        sys.exit(1)
