"""``make chaos``: the whole pipeline under seeded faults; exit code 1 if a run was not exact.

CHAOS_SEEDS are the runs (``7``, ``0-19``), CHAOS_FAULTS and CHAOS_BLOWS how much each is hurt,
CHAOS_PLAN a file that an earlier run kept, to be played again. A run that fails is played again
with less and less, until nothing can be left out; what is left is kept in build/chaos.
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.isolation import is_isolated, isolate, possible_kinds, raise_loopback
from chaos.plan import Plan, Size, plan_of
from chaos.play import Outcome, play
from chaos.shrink import shrink
from support.postgres import can_run_postgres

_KEPT = Path(__file__).resolve().parents[2] / "build" / "chaos"


def seeds(text: str) -> list[int]:
    """Return the seeds that CHAOS_SEEDS names, such as ``3``, ``0-19`` or ``1,5,9``."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SystemExit(f"CHAOS_SEEDS was {text!r}; allowed: numbers like 7, 0-19 or 1,5,9")
        found += range(int(first), int(last or first) + 1)
    return found


def number(name: str, default: int) -> int:
    """Return a setting of the run."""
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        raise SystemExit(f"{name} was {text!r}; allowed: a whole number")
    return int(text)


def plans() -> list[Plan]:
    """Return what is to be played, and say what cannot be dealt here."""
    if path := os.environ.get("CHAOS_PLAN"):
        return [Plan.from_json(Path(path).read_bytes())]
    kinds, lacking = possible_kinds()
    for kind, reason in lacking.items():
        print(f"left out: {kind} ({reason})", flush=True)
    stores = ("sqlite", "postgres") if can_run_postgres() else ("sqlite",)
    if len(stores) == 1:
        print("left out: Postgres and store_away (Postgres is not installed)", flush=True)
    blows = number("CHAOS_BLOWS", 14)
    size = Size(number("CHAOS_TRADES", 6_000), number("CHAOS_FAULTS", 50), blows)
    wanted = seeds(os.environ.get("CHAOS_SEEDS") or "0-9")
    return [plan_of(seed, size, kinds, stores) for seed in wanted]


def play_once(plan: Plan) -> Outcome:
    """Play a plan in a folder that is kept only if it failed."""
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{plan.seed}-"))
    outcome = play(plan, folder)
    if outcome.problems:
        print(f"  its logs: {folder}", flush=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def main() -> int:
    """Play all and print what happened."""
    isolate("chaos.run")
    if is_isolated():
        raise_loopback()
    outcomes = []
    for plan in plans():
        outcome = play_once(plan)
        outcomes.append(outcome)
        words = "exact" if not outcome.problems else f"FAILED ({len(outcome.problems)})"
        print(
            f"{plan}: {words}; {outcome.dealt} dealt, {outcome.trades} trades, "
            f"{outcome.gaps} gaps, {outcome.candles} candles, {outcome.ends} ended by themselves, "
            f"{outcome.seconds:.0f} s",
            flush=True,
        )
        if outcome.problems:
            print("\n".join(f"  {each}" for each in outcome.problems[:20]), flush=True)
            _keep(plan, outcome)
    _print_table(outcomes)
    return 1 if any(each.problems for each in outcomes) else 0


def _keep(plan: Plan, outcome: Outcome) -> None:
    """Shrink a failed plan and keep the shortest that fails."""
    most = number("CHAOS_SHRINK", 12)
    short = shrink(plan, lambda each: bool(play_once(each).problems), most) if most else plan
    _KEPT.mkdir(parents=True, exist_ok=True)
    path = _KEPT / f"seed-{plan.seed}.json"
    path.write_bytes(short.to_json())
    print(f"  kept: {short}\n  again: CHAOS_PLAN={path} make chaos", flush=True)


def _print_table(outcomes: list[Outcome]) -> None:
    faults, blows = Counter[str](), Counter[str]()
    for each in outcomes:
        faults += each.faults
        blows += each.blows
    table = Table("dealt", "how often", title=f"{len(outcomes)} runs")
    for name, count in [*sorted(blows.items()), *sorted(faults.items())]:
        table.add_row(name, str(count))
    table.add_row("together", str(faults.total() + blows.total()))
    table.add_row("trades", str(sum(each.trades for each in outcomes)))
    table.add_row("runs that were not exact", str(sum(bool(each.problems) for each in outcomes)))
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    sys.exit(main())
