"""The live table of candles on a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import canonical
from ohlc_core.domain.interval import Interval
from ohlc_core.service.clean_text import printable
from ohlc_features.base import GroupRow
from ohlc_features.console.shown import shown_candles
from ohlc_features.define.group import FeatureGroup
from ohlc_features.replacement import OnlineKey, rank

_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "trades")


class ConsoleTableStore:
    """Shows the newest candle of every product and interval, redrawn as candles come."""

    def __init__(self, out: TextIO, *, write_incomplete: bool = False) -> None:
        self._write_incomplete = write_incomplete
        self._newest: dict[OnlineKey, Candle] = {}
        self._rows: dict[str, tuple[FeatureGroup, dict[OnlineKey, GroupRow]]] = {}
        self._live = Live(
            self._shown(),
            console=Console(file=out, markup=False),
            auto_refresh=False,
            transient=False,
        )
        self._live.start()

    def write(self, candles: Sequence[Candle]) -> int:
        """Show ``candles`` that are the newest of their kind; return how many are left out."""
        shown = shown_candles(candles, write_incomplete=self._write_incomplete)
        for candle in shown:
            key = (candle.exchange, candle.product_id, candle.interval)
            old = self._newest.get(key)
            if old is None or _is_newer(candle, old):
                self._newest[key] = candle
        self._live.update(self._shown(), refresh=True)
        return len(candles) - len(shown)

    def write_rows(self, group: FeatureGroup, rows: Sequence[GroupRow]) -> None:
        """Show the newest row of each product and interval, a table per group."""
        _, newest = self._rows.setdefault(group.table, (group, {}))
        for row in rows:
            key = row[:3]
            if key not in newest or row.window_end >= newest[key].window_end:
                newest[key] = row
        self._live.update(self._shown(), refresh=True)

    def close(self) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def _shown(self) -> Group:
        tables = (_feature_table(*self._rows[name]) for name in sorted(self._rows))
        return Group(self._table(), *tables)

    def _table(self) -> Table:
        table = Table(title="newest candles (UTC)")
        for name in ("exchange", "product", "interval", "window"):
            table.add_column(name)
        for name in _NUMBERS:
            table.add_column(name, justify="right")
        table.add_column("")
        for candle in sorted(self._newest.values(), key=_order):
            table.add_row(*map(printable, _cells(candle)))
        return table


def _feature_table(group: FeatureGroup, newest: dict[OnlineKey, GroupRow]) -> Table:
    table = Table(title=f"newest rows of {group.table} (UTC)")
    for name in ("product", "interval", "known at"):
        table.add_column(name)
    for name in group.features:
        table.add_column(printable(name), justify="right")
    table.add_column("")
    for key in sorted(newest, key=lambda key: (key[0], key[1], Interval.parse(key[2]).us)):
        row = newest[key]
        end = datetime.fromtimestamp(row.window_end / 1_000, UTC)
        numbers = ("-" if value is None else f"{value:.6g}" for value in row.values)
        mark = "" if row.complete else "incomplete"
        cells = (row.product_id, row.candle_interval, f"{end:%H:%M:%S}", *numbers, mark)
        table.add_row(*map(printable, cells))
    return table


def _is_newer(new: Candle, old: Candle) -> bool:
    if new.window_start_ms != old.window_start_ms:
        return new.window_start_ms > old.window_start_ms
    return rank(new, "live") >= rank(old, "live")


def _order(candle: Candle) -> tuple[str, str, int]:
    return candle.exchange, candle.product_id, Interval.parse(candle.interval).us


def _cells(candle: Candle) -> list[str]:
    start = datetime.fromtimestamp(candle.window_start_ms / 1_000, UTC)
    prices = (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.vwap)
    marks = [] if candle.complete else ["incomplete"]
    if candle.revision:
        marks.append(f"revision {candle.revision}")
    return [
        candle.exchange,
        candle.product_id,
        candle.interval,
        f"{start:%Y-%m-%d %H:%M:%S}",
        *map(canonical, prices),
        str(candle.trade_count),
        ", ".join(marks),
    ]
