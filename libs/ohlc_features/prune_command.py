"""The command ``features prune``: removes old rows of the local store."""

import argparse
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from ohlc_core.domain.interval import Interval
from ohlc_core.errors import SettingsError
from ohlc_features.errors import StoreRejectedError
from ohlc_features.group_command import settings_of
from ohlc_features.reading.times import FIRST_MS, moment_ms
from ohlc_features.sql.pruning import Prunable, Pruning

_EPILOG = """
The newest row of each product and interval stays, and candles stay that a feature row was computed
from which stays. SQLite uses the space of removed rows again, but its file does not shrink; with
the writer stopped, `sqlite3 FILE VACUUM` makes it small. Exit codes: 0 done, 2 wrong arguments or
settings, 1 the store could not be used.
"""


def run(arguments: list[str]) -> int:
    """Run ``features prune``; return the exit code.

    Raises:
        StoreError: the store cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        intervals = _intervals(options.interval)
        keep_ms = None if options.keep is None else _span_ms(options.keep)
        before_ms = None if options.before is None else moment_ms(options.before, "--before")
        if options.url == "":
            raise SettingsError("--url was empty")
        pruning = Pruning(settings_of(options.url))
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"features: {error}\n")
        return 2
    try:
        if before_ms is None:
            newest_ms = pruning.newest_end_ms()
            if newest_ms is None:
                sys.stdout.write("the feature store has no rows\n")
                return 0
            before_ms = max(FIRST_MS, newest_ms - (keep_ms or 0))
        return _prune(pruning, before_ms, intervals, is_sure=options.yes)
    finally:
        pruning.close()


def _intervals(text: str | None) -> list[str]:
    """Return the intervals that an option names; none where it is not given."""
    try:
        return (
            [] if text is None else [Interval.parse(each.strip()).text for each in text.split(",")]
        )
    except ValueError as error:
        raise ValueError(f"--interval: {error}") from None


def _span_ms(text: str) -> int:
    try:
        return Interval.parse(text).us // 1_000
    except ValueError:
        raise ValueError(f"--keep was {text!r}; expected e.g. 90d, 12h or 30m") from None


def _prune(pruning: Pruning, before_ms: int, intervals: list[str], *, is_sure: bool) -> int:
    parts = pruning.plan(before_ms, intervals)
    there = {each.series.interval for each in parts}
    if unknown := set(intervals) - there:
        raise StoreRejectedError(
            f"the feature store has no interval {min(unknown)!r}; it has {', '.join(sorted(there))}"
        )
    due = sum(each.rows for each in parts)
    gone = 0
    if is_sure and due:
        gone = pruning.remove(parts, _progress(due))
        # Once more: a writer beside may have written old rows meanwhile.
        gone += pruning.remove(pruning.plan(before_ms, intervals), _progress(due))
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
    _show(
        [each for each in parts if not intervals or each.series.interval in intervals],
        is_sure=is_sure,
    )
    before = datetime.fromtimestamp(before_ms / 1_000, UTC)
    what = f"rows of windows before {before:%Y-%m-%d %H:%M:%S} UTC"
    if is_sure:
        sys.stdout.write(f"{gone:,} {what} removed\n")
    else:
        sys.stdout.write(f"{due:,} {what} would be removed; add --yes to remove them\n")
    return 0


def _progress(due: int) -> Callable[[int], None]:
    def show(gone: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{min(1.0, gone / due):6.1%}  {gone:,} of {due:,} rows")
            sys.stderr.flush()

    return show


def _show(parts: Iterable[Prunable], *, is_sure: bool) -> None:
    rows: dict[tuple[str, str], tuple[int, int]] = {}
    for each in parts:
        removed, left = rows.get((each.table, each.series.interval), (0, 0))
        rows[each.table, each.series.interval] = removed + each.rows, left + each.left
    table = Table("table", "interval")
    table.add_column("removed" if is_sure else "would go", justify="right")
    table.add_column("left" if is_sure else "would stay", justify="right")
    for (name, interval), (removed, left) in sorted(rows.items()):
        table.add_row(name, interval, f"{removed:,}", f"{left:,}")
    Console(highlight=False).print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="features prune",
        description="Remove old rows: candles, what they replaced, and feature rows.",
        epilog=_EPILOG,
    )
    until = parser.add_mutually_exclusive_group(required=True)
    until.add_argument("--keep", help="how much to keep before the store's newest window, e.g. 90d")
    until.add_argument("--before", help="remove windows that start earlier, e.g. 2026-09-21")
    parser.add_argument("--interval", help="comma-separated; default: all")
    parser.add_argument("--yes", action="store_true", help="remove; without it, only count")
    parser.add_argument("--url", help="a FEATURE_STORE_URL, instead of the settings'")
    return parser
