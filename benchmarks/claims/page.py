"""docs/claims.md, out of the claims and what was measured."""

import statistics
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from benchmarks.claims.model import ROOT, Claim, Command
from benchmarks.claims.registry import CLAIMS, COMMANDS, claims_of
from benchmarks.claims.stored import Result

PAGE = ROOT / "docs" / "claims.md"

_HEAD = """\
# Claims

Written by `make claims` from `benchmarks/claims` and [claims.json](claims.json), which has every run.
Figures that the README and the documents state, with the command that measures each. Two pages
are written by their own commands, with date, machine and every sample: [load](load.md) and [soak](soak.md).

    make claims                 # measure all again, each command three times; hours, on a quiet machine
    make claims ONLY=restart    # one command, or one claim
    make claims RUNS=5          # more runs; RUNS=0 only writes this page
    make claims QUICK=1         # little work, once: only whether every command gives its figures

*Measured* is the median of the runs and the least and most of them. *Against the document* compares it
with what the document states: the stated figure is **within** the runs, or every run is **better** or **worse**.
"""

_BY_HAND = """\

## Not measured by `make claims`

| claim | stated | in | why |
|---|---|---|---|
"""


def render(results: Mapping[str, Result]) -> str:
    """Return the page."""
    parts = [_HEAD]
    for command in COMMANDS.values():
        parts += _section(command, results.get(command.name))
    parts.append(_BY_HAND)
    parts += [
        f"| {claim.statement} | {_figure(claim)} | {_where(claim)} | {claim.why_not} |\n"
        for claim in CLAIMS
        if not claim.command
    ]
    return "".join(parts)


def _section(command: Command, result: Result | None) -> Iterator[str]:
    yield f"\n## {command.name}\n\n    {command.shown()}\n\n"
    if result is None:
        yield f"Not measured again yet. The figures are of {command.stated_on}.\n\n"
        yield "| claim | stated | in |\n|---|---|---|\n"
        for claim in claims_of(command.name):
            yield f"| {claim.statement} | {_figure(claim)} | {_where(claim)} |\n"
        return
    runs = max((len(each) for each in result.figures.values()), default=0)
    times = "once" if runs == 1 else f"{runs} times"
    yield f"{result.date}, {times}, commit `{result.commit}`: {result.machine.shown()}."
    if result.command != command.shown():
        yield f" What was run then: `{result.command}`."
    yield "\n\n| claim | stated | in | measured | against the document |\n|---|---|---|---|---|\n"
    for claim in claims_of(command.name):
        values = result.figures.get(claim.name, [])
        measured, verdict = _measured(claim, values), verdict_of(claim, values)
        yield f"| {claim.statement} | {_figure(claim)} | {_where(claim)} | {measured} | {verdict} |\n"


def verdict_of(claim: Claim, values: list[float]) -> str:
    """Return how the runs compare with what the document states, and with the bound."""
    if not values:
        return ""
    digits = _decimals(claim)
    rounded = [round(each, digits) for each in values]
    if min(rounded) <= claim.stated <= max(rounded):
        verdict = "within"
    else:
        verdict = "worse" if claim.is_worse(rounded[0], claim.stated) else "better"
    if claim.bound is None:
        return verdict
    return f"{verdict}; bound {claim.bound:g} {'broken' if breaks_bound(claim, values) else 'held'}"


def breaks_bound(claim: Claim, values: list[float]) -> bool:
    """Return whether the median is worse than what was asked for."""
    return claim.bound is not None and claim.is_worse(statistics.median(values), claim.bound)


def _measured(claim: Claim, values: list[float]) -> str:
    if not values:
        return "no figure"
    digits = _decimals(claim)
    shown = f"{statistics.median(values):,.{digits}f} {claim.unit}".strip()
    if len(values) == 1:
        return shown
    return f"{shown} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _decimals(claim: Claim) -> int:
    return len(claim.figure.partition(".")[2])


def _figure(claim: Claim) -> str:
    return f"{claim.figure} {claim.unit}".strip()


def _where(claim: Claim) -> str:
    path = PurePosixPath(claim.stated_in)
    target = path.name if path.parent.name == "docs" else f"../{claim.stated_in}"
    return f"[{path.stem}]({target})"
