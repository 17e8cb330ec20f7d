"""What a run shows: a live table on a terminal, plain lines otherwise."""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import canonical

_TABLE_ROWS = 16


class View(Protocol):
    """Where a run tells what happens."""

    def say(self, text: str) -> None:
        """Tell something once."""

    def candles(self, candles: Sequence[Candle]) -> None:
        """Show candles that closed."""

    def close(self) -> None:
        """Leave the screen as it is."""


class PlainView:
    """One line a thing, for logs, pipes and tests."""

    def say(self, text: str) -> None:
        """Write the line."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def candles(self, candles: Sequence[Candle]) -> None:
        """Write a line a candle."""
        for candle in candles:
            self.say(candle_line(candle))

    def close(self) -> None:
        """Nothing is held."""


class TableView:
    """The newest candles in a table that stays in place; what is said scrolls above it."""

    def __init__(self, console: Console) -> None:
        self._newest: deque[Candle] = deque(maxlen=_TABLE_ROWS)
        self._count = 0
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def say(self, text: str) -> None:
        """Print above the table."""
        self._live.console.print(Text(text))

    def candles(self, candles: Sequence[Candle]) -> None:
        """Put the candles into the table."""
        self._newest.extend(candles)
        self._count += len(candles)
        if candles:
            self._live.update(self._drawn(), refresh=True)

    def close(self) -> None:
        """Stop drawing."""
        self._live.stop()

    def _drawn(self) -> Group:
        table = Table(box=None, header_style="bold", padding=(0, 1))
        for name in ("closed (UTC)", "product", "interval"):
            table.add_column(name)
        for name in ("open", "high", "low", "close", "volume", "trades"):
            table.add_column(name, justify="right")
        table.add_column("")
        for candle in self._newest:
            numbers = (candle.open, candle.high, candle.low, candle.close, candle.volume)
            table.add_row(
                _closed(candle),
                candle.product_id,
                candle.interval,
                *map(canonical, numbers),
                str(candle.trade_count),
                _remarks(candle),
            )
        return Group(table, Text(f"{self._count} candles; Ctrl-C stops", style="dim"))


class Backlog:
    """Counts candles of the time before the start, which come in hundreds, instead of showing.

    Args:
        started_ms: wall clock of the start.
    """

    def __init__(self, started_ms: int) -> None:
        self._started_ms = started_ms
        self._count = 0

    def without(self, candles: Sequence[Candle], say: Callable[[str], None]) -> list[Candle]:
        """Return the candles that closed after the start; tell of the others once they end."""
        new = [candle for candle in candles if candle.window_end_ms > self._started_ms]
        self._count += len(candles) - len(new)
        if self._count and len(new) == len(candles):
            say(f"caught up with the time before the start: {self._count} candles")
            self._count = 0
        return new


def view_for(output_is_terminal: bool) -> View:
    """Return the view that suits where stdout goes."""
    return TableView(Console()) if output_is_terminal else PlainView()


def candle_line(candle: Candle) -> str:
    """Return a candle as one plain line."""
    c = candle
    text = (
        f"{_closed(c)} {c.exchange}:{c.product_id} {c.interval}"
        f" open {canonical(c.open)} high {canonical(c.high)} low {canonical(c.low)}"
        f" close {canonical(c.close)} volume {canonical(c.volume)} trades {c.trade_count}"
    )
    remarks = _remarks(c)
    return f"{text} ({remarks})" if remarks else text


def _closed(candle: Candle) -> str:
    return datetime.fromtimestamp(candle.window_end_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _remarks(candle: Candle) -> str:
    remarks = [] if candle.complete else ["incomplete"]
    if candle.revision:
        remarks.append(f"revision {candle.revision}")
    return ", ".join(remarks)
