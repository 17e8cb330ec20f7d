"""How far a replay is: bars on a terminal, plain lines elsewhere, a table at the end."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from loguru import logger
from prometheus_client import Counter, Gauge
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ohlc_core.domain.trade import ProductKey
from ohlc_history.read_history import Step

TRADES = Counter("replayer_trades", "Trades appended", ["product"])
REJECTED = Counter("replayer_rejected_rows", "Rows sent to the dead-letter topic", ["product"])
REPLAYED_UNTIL = Gauge("replayer_event_time_seconds", "Event time reached", ["product"])

_DAY_US = 86_400_000_000
_LINE_EVERY_SECONDS = 5.0
_BAR_EVERY_SECONDS = 0.5


class ProductProgress(msgspec.Struct):
    """One product's replay. Written by its own thread, read by the display.

    Attributes:
        key: the product.
        from_us, to_us: the period; from_us is None until it is known.
        at_us: the event time reached.
        trades: appended by this process.
        already: whether an earlier run had appended everything.
        rows, outside: rows read, and trades outside the period among them.
        rejected: rows that are no trades, by reason.
        repeated, missing: rows left out as repeats, and ids skipped.
        first_us: event time of the first trade of the period.
        files: how many files hold the product, where the source has files.
        source_first_us, source_end_us: the first trade of the source, whatever the period, and a
            time behind its last one, where the source knows them.
        begun_us: the event time an earlier run had reached; 0 without one.
        holds_trades: whether its topic holds trades, this run's or an earlier one's.
        note: what it waits for, if for anything.
        is_done: whether its final watermark is there.
    """

    key: ProductKey
    from_us: int | None
    to_us: int
    at_us: int = 0
    trades: int = 0
    already: bool = False
    rows: int = 0
    outside: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    first_us: int | None = None
    files: int | None = None
    source_first_us: int | None = None
    source_end_us: int | None = None
    begun_us: int = 0
    holds_trades: bool = False
    repeated: int = 0
    missing: int = 0
    note: str = ""
    is_done: bool = False

    def read(self, step: Step) -> None:
        """Count a step of the source."""
        self.rows += step.rows
        self.outside += step.outside
        self.repeated += step.repeated
        self.missing += step.missing
        for row in step.rejected:
            self.rejected[row.reason] = self.rejected.get(row.reason, 0) + 1
        if step.fresh.table.height and self.first_us is None:
            self.first_us = int(step.fresh.table["timestamp_us"][0])

    def appended(self, trades: int, at_us: int) -> None:
        """Count trades appended, the last of them at that event time."""
        self.trades += trades
        self.at_us = at_us
        self.note = ""
        self.holds_trades = True
        TRADES.labels(str(self.key)).inc(trades)
        REPLAYED_UNTIL.labels(str(self.key)).set(at_us / 1e6)

    def resume(self, at_us: int) -> None:
        """Note the event time an earlier run had reached."""
        self.begun_us = self.at_us = at_us
        self.holds_trades = True

    @property
    def fraction(self) -> float:
        """How much of the period is done, 0 to 1."""
        return 1.0 if self.is_done else self._fraction(self.at_us)

    @property
    def begun_fraction(self) -> float:
        """How much of the period an earlier run had done, 0 to 1."""
        return self._fraction(self.begun_us)

    def _fraction(self, at_us: int) -> float:
        if self.from_us is None or not at_us or self.to_us <= self.from_us:
            return 0.0
        return min(1.0, max(0.0, (at_us - self.from_us) / (self.to_us - self.from_us)))

    @property
    def days(self) -> str:
        """Days done of days in all."""
        if self.from_us is None:
            return "-"
        whole = (self.to_us - self.from_us) / _DAY_US
        return f"{whole * self.fraction:.1f}/{whole:.1f} days"


def figures(products: Sequence[ProductProgress]) -> dict[str, object]:
    """Return how far the products are, for ``/status``."""
    return {
        "products": {
            product.key.product_id: {
                "from_us": product.from_us,
                "to_us": product.to_us,
                "at_us": product.at_us,
                "fraction": round(product.fraction, 4),
                "trades": product.trades,
                "rejected_rows": sum(product.rejected.values()),
                "missing_ids": product.missing,
                "waiting": product.note,
                "is_done": product.is_done,
            }
            for product in products
        }
    }


@contextmanager
def shown(
    products: Sequence[ProductProgress],
    candles: Callable[[], int | None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Show the products' progress, and how many candles there are, until the block ends."""
    done = threading.Event()
    show = _show_bars if sys.stderr.isatty() else _show_lines
    display = _Display(products, candles, monotonic)
    thread = threading.Thread(target=show, args=(display, done), name="progress")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Display(NamedTuple):
    """What is shown."""

    products: Sequence[ProductProgress]
    candles: Callable[[], int | None]
    monotonic: Callable[[], float]


def _show_lines(display: _Display, done: threading.Event) -> None:
    began = display.monotonic()
    before = {product.key: 0 for product in display.products}
    while not done.wait(_LINE_EVERY_SECONDS):
        for product in display.products:
            if product.is_done:
                continue
            rate = (product.trades - before[product.key]) / _LINE_EVERY_SECONDS
            before[product.key] = product.trades
            note = f", waiting: {product.note}" if product.note else ""
            logger.info(
                "{}: {}, {:,} trades, {:,.0f} trades/s, {} left{}",
                product.key,
                product.days,
                product.trades,
                rate,
                time_left(product.fraction, display.monotonic() - began, product.begun_fraction),
                note,
            )
        candles = display.candles()
        if candles is not None:
            logger.info("{:,} candles so far", candles)


def time_left(fraction: float, seconds: float, begun: float = 0.0) -> str:
    """Return the time left as ``h:mm:ss``; ``?`` early on.

    Args:
        fraction: how much of the whole is done.
        seconds: what it took since ``begun`` was done.
        begun: how much of the whole was done before.
    """
    if fraction - begun <= 0.001:
        return "?"
    left = round((1 - fraction) * seconds / (fraction - begun))
    return f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"


def _show_bars(display: _Display, done: threading.Event) -> None:
    began = display.monotonic()
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[text]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bars:
        tasks: list[tuple[TaskID, ProductProgress]] = [
            (bars.add_task(str(product.key), total=1.0, text=""), product)
            for product in display.products
        ]
        everything = bars.add_task("all", total=max(1, len(tasks)), text="")
        while True:
            is_last = done.wait(_BAR_EVERY_SECONDS)
            seconds = max(0.001, display.monotonic() - began)
            for task, product in tasks:
                text = f"{product.days}  {product.trades:,} trades  {product.note}"
                bars.update(task, completed=product.fraction, text=text)
            trades = sum(product.trades for _, product in tasks)
            candles = display.candles()
            made = "" if candles is None else f"  {candles:,} candles"
            text = f"{trades:,} trades  {trades / seconds:,.0f}/s{made}"
            fraction = sum(product.fraction for _, product in tasks)
            bars.update(everything, completed=fraction, text=text)
            if is_last:
                return
