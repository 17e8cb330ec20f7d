"""What a run shows: a live table on a terminal, plain lines otherwise."""

import sys
import time
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
from ohlc_core.service.clean_text import clean, printable

_TABLE_ROWS = 16
# Each product catches up by itself; the last of them ends it.
_CAUGHT_UP_SECONDS = 3.0


class View(Protocol):
    """Where a run reports what happens."""

    def say(self, text: str) -> None:
        """Report something once."""

    def candles(self, candles: Sequence[Candle]) -> None:
        """Show candles that closed."""

    def close(self) -> None:
        """Leave the screen as it is."""


class PlainView:
    """One line a thing, for logs, pipes and tests."""

    def say(self, text: str) -> None:
        """Write the line."""
        sys.stdout.write(f"{_cleaned(text)}\n")
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
        self._live.console.print(Text(_cleaned(text)))

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
                Text(printable(candle.product_id)),
                Text(printable(candle.interval)),
                *map(canonical, numbers),
                str(candle.trade_count),
                _remarks(candle),
            )
        return Group(table, Text(f"{self._count} candles; Ctrl-C stops", style="dim"))


class Backlog:
    """Counts candles of the time before the start, which come in hundreds, instead of showing.

    Args:
        started_ms: wall clock of the start.
        monotonic: seconds from any fixed moment, never going back.
    """

    def __init__(self, started_ms: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._started_ms = started_ms
        self._monotonic = monotonic
        self._count = 0
        self._last = 0.0
        self._is_said = False

    def without(self, candles: Sequence[Candle], say: Callable[[str], None]) -> list[Candle]:
        """Return the candles that closed after the start; say once when the others have ended."""
        new = [candle for candle in candles if candle.window_end_ms > self._started_ms]
        now = self._monotonic()
        if len(new) < len(candles):
            self._count += len(candles) - len(new)
            self._last = now
        elif self._count and not self._is_said and now - self._last >= _CAUGHT_UP_SECONDS:
            say(f"caught up with the time before the start: {self._count} candles")
            self._is_said = True
        return new


def _cleaned(text: str) -> str:
    """Return the lines of the text, each without secrets and control characters."""
    return "\n".join(clean(line) for line in text.split("\n"))


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
