"""``local-stack status``: what runs, where, how far behind, what is wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local_stack.broker_discovery import at_stack
from local_stack.inspect_broker import group_lags
from local_stack.settings import StackSettings
from ohlc_core.errors import PipelineError
from ohlc_core.service.clean_text import clean
from ohlc_core.service.local_runs import running_stacks

_TIMEOUT_SECONDS = 2.0


def print_status(settings: StackSettings) -> int:
    """Print every local run with its services; return 1 where something is wrong, else 0."""
    stacks = running_stacks(Path(settings.local_stack_folder))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if not stacks:
        console.print(f"nothing runs in {settings.local_stack_folder}; `make demo` starts a demo")
        return 0
    problems: list[str] = []
    for stack in stacks:
        _print_stack(console, settings, stack, problems)
    for problem in problems:
        console.print(Text(f"wrong: {problem}"))
    return 1 if problems else 0


def _print_stack(
    console: Console, settings: StackSettings, stack: dict[str, Any], problems: list[str]
) -> None:
    facts = ("broker", "store", "logs", "dashboard")
    shown = "  ".join(f"{name} {stack[name]}" for name in facts if stack.get(name))
    console.print(Text(clean(f"{stack.get('mode')} (pid {stack['pid']})  {shown}")))
    table = Table("service", "state", "since", "message", box=None, padding=(0, 1))
    for row in _rows(stack, problems):
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    try:
        lags = group_lags(at_stack(settings, stack))
    except PipelineError as error:
        problems.append(clean(str(error)))
    else:
        for group, lag in lags.items():
            console.print(Text(clean(f"group {group}: {lag:,} records behind")))


def _rows(stack: dict[str, Any], problems: list[str]) -> Iterator[tuple[str, str, str, str]]:
    for name, service in stack.get("services", {}).items():
        try:
            answer = httpx.get(
                str(service["metrics"]).replace("/metrics", "/status"), timeout=_TIMEOUT_SECONDS
            ).json()
        except (httpx.HTTPError, ValueError) as error:
            problems.append(clean(f"{name} does not answer ({error or type(error).__name__})"))
            yield name, "no answer", "", ""
            continue
        message = clean(str(answer.get("message", "")))
        if not answer.get("healthy", True):
            problems.append(f"{name}: {message}")
        yield name, clean(str(answer.get("state"))), clean(str(answer.get("since"))), message
