"""``features check FILE``: refuses definitions whose numbers could differ, and says why."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ohlc_features.checking.behaviour import Behaviour, behaviour, evaluate_sample
from ohlc_features.checking.source import (
    findings,
    functions_using,
    functions_with_loops,
    native_names,
)
from ohlc_features.checking.store_proof import store_problem
from ohlc_features.define.loading import DefinedGroup, load_definitions

#: Fresh processes differ in hash seed, time zone and the order of rows.
_PROCESSES = (("0", "UTC"), ("1", "Asia/Kathmandu"), ("4242", "America/St_Johns"))
_PROCESS_SECONDS = 120


class Problem(NamedTuple):
    """One reason why a definition is refused.

    Attributes:
        where: the file's line, or the feature.
        rule: ``look-ahead``, ``clock``, ``random``, ``window``, ``set order``, ``sum``, ...
        text: what was found and what to do.
    """

    where: str
    rule: str
    text: str


class CheckedFeature(NamedTuple):
    """A line of the report."""

    feature: str
    interval: str
    inputs: str
    seen: Behaviour
    is_portable: bool


class Report(NamedTuple):
    """What a check found; no problems means the file passed."""

    features: list[CheckedFeature]
    problems: list[Problem]


def check_definitions(path: Path, progress: Callable[[str], None] = lambda _text: None) -> Report:
    """Check a file of definitions.

    Raises:
        DefinitionError: it cannot be read or run.
    """
    groups = load_definitions(path)
    tree = ast.parse(groups[0].source)
    problems = [
        Problem(f"{path.name}:{each.line}", each.rule, each.text) for each in findings(tree)
    ]
    native = functions_using(tree, native_names(tree))
    loops = functions_with_loops(tree)
    features: list[CheckedFeature] = []
    for defined in groups:
        for interval in defined.group.intervals:
            progress(f"{defined.group.table} {interval}")
            seen = behaviour(defined.group, interval, loops)
            features += _lines(defined, interval, seen, native)
            problems += _problems(defined, interval, seen)
    progress("fresh processes")
    problems += _fresh_processes(path, groups)
    if not problems:
        # Last: what it finds is better said by a check above.
        problems += _through_the_store(groups, progress)
    return Report(features, list(dict.fromkeys(problems)))


def _lines(
    defined: DefinedGroup, interval: str, seen: dict[str, Behaviour], native: frozenset[str]
) -> list[CheckedFeature]:
    return [
        CheckedFeature(
            f"{defined.group.table}.{name}",
            interval,
            " ".join(each.text() for each in defined.group.features[name].inputs),
            what,
            not what.is_native and name not in native,
        )
        for name, what in seen.items()
    ]


def _problems(defined: DefinedGroup, interval: str, seen: dict[str, Behaviour]) -> list[Problem]:
    return [
        Problem(f"{defined.group.table}.{name} {interval}", rule, text)
        for name, what in seen.items()
        for rule, text in what.problems
    ]


def _through_the_store(
    groups: list[DefinedGroup], progress: Callable[[str], None]
) -> list[Problem]:
    problems = []
    for defined in groups:
        for interval in defined.group.intervals:
            progress(f"{defined.group.table} {interval} through the store")
            if text := store_problem(defined, interval):
                problems.append(Problem(f"{defined.group.table} {interval}", "store", text))
    return problems


def _fresh_processes(path: Path, groups: list[DefinedGroup]) -> list[Problem]:
    """Evaluate the sample in processes that share nothing with this one, and compare the bytes."""
    problems = []
    results = [
        _in_process(path, seed, zone, order) for order, (seed, zone) in enumerate(_PROCESSES)
    ]
    for result in results:
        if "failed" in result:
            problems.append(Problem(path.name, "error", f"a fresh process: {result['failed']}"))
            return problems
    for defined in groups:
        for interval in defined.group.intervals:
            for name in defined.group.features:
                key = f"{defined.group.table} {interval} {name}"
                if len({result.get(key) for result in results}) > 1:
                    problems.append(
                        Problem(
                            f"{defined.group.table}.{name} {interval}",
                            "differs",
                            "its numbers differ between processes, orders of rows, hash seeds or "
                            "time zones; a feature is a function of its candles alone",
                        )
                    )
    return problems


def _in_process(path: Path, hash_seed: str, zone: str, order: int) -> dict[str, str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone}
    done = subprocess.run(
        [sys.executable, "-m", "ohlc_features.checking.command", str(path), str(order)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PROCESS_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return {"failed": last[0]}
    result: dict[str, str] = json.loads(done.stdout)
    return result


def _print_sample(path: Path, order: int) -> None:
    numbers = {
        f"{defined.group.table} {interval} {name}": text
        for defined in load_definitions(path)
        for interval in defined.group.intervals
        for name, text in evaluate_sample(defined.group, interval, order).items()
    }
    json.dump(numbers, sys.stdout)


if __name__ == "__main__":
    _print_sample(Path(sys.argv[1]), int(sys.argv[2]))
