"""What ``features check`` prints: a line per feature, then each reason to refuse the file."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ohlc_features.checking.command import Report, check_definitions

_WIDTH = 120


def run_check(path: Path) -> int:
    """Check a file of definitions and print what was found.

    Returns:
        The exit code: 0 when nothing is wrong, else 1.

    Raises:
        DefinitionError: the file cannot be read or run.
    """
    is_terminal = sys.stderr.isatty()

    def progress(text: str) -> None:
        if is_terminal:
            sys.stderr.write(f"\r\033[Kchecking {text} ...")
            sys.stderr.flush()

    report = check_definitions(path, progress)
    if is_terminal:
        sys.stderr.write("\r\033[K")
    _print(report, path)
    return 1 if report.problems else 0


def _print(report: Report, path: Path) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    table = Table("feature", "rows of", "inputs", "runs", "bytes", "nulls", "us per row")
    for each in report.features:
        table.add_row(
            Text(each.feature),
            each.interval,
            Text(each.inputs),
            "row by row" if each.seen.is_row_by_row else "together",
            "portable" if each.is_portable else "this machine's",
            f"{each.seen.nulls}",
            f"{each.seen.microseconds:.2f}",
        )
    console.print(table)
    for problem in report.problems:
        console.print(Text(f"refused: {problem.where}: {problem.rule}: {problem.text}"))
    count = len(report.features)
    if report.problems:
        console.print(f"{path.name}: refused for {len(report.problems)} reasons")
    else:
        console.print(
            f"{path.name}: {count} feature{'s' * (count != 1)} pass: no look-ahead, no clock, no "
            "order, windows long enough, the same bytes in fresh processes and through batches, "
            "corrections, gaps and restarts of a real store"
        )
