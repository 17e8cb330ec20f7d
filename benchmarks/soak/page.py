"""docs/soak.md and its picture, from a result alone."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.load.saturation import busiest, saturated
from benchmarks.measuring.chart import Line, Panel, svg
from benchmarks.measuring.cpu import is_disturbed
from benchmarks.measuring.fit import Point
from benchmarks.measuring.pages import measured, table
from benchmarks.soak.judging import Rate, failures, rates, verdicts
from benchmarks.soak.result import Kind, SoakResult
from benchmarks.soak.run import grace_ms

_UNITS: dict[Kind, str] = {"memory": "MB", "state": "MB", "lag": "s", "behind": "s"}
_NAMES: dict[Kind, str] = {
    "memory": "memory",
    "files": "open files",
    "threads": "threads",
    "state": "state folder",
    "lag": "lag of group",
    "behind": "behind the clock",
    "store": "store",
    "topic": "topic",
    "count": "count",
}
#: The second half of fewer days begins before histories are full.
_LEAST_DAYS = 4.0
#: Points of a line in the picture.
_POINTS = 150
#: What new topics keep, for each of four partitions: TOPIC_RETENTION_BYTES by default.
_TOPIC_BYTES = 4 * 1_073_741_824

_HEAD = """\
# A week in one run

Written by `make soak ARGS="--write"` from what it measured; every sample is in
[soak.json](soak.json).
"""
_SHORT = """
**A trial of {days:g} days, to show the form. It is no measurement: caches and histories of up to
two days still fill, so what "failed" here means nothing.**
"""
_METHOD = """
{days:g} days of event time with {products:,} products, {speed:g} times as fast as real: the
simulated exchange, producer, Apache Kafka, aggregator, writer with the shipped features, a local
store (SQLite) and the dashboard as processes, with default settings. The market makes {rate:g}
trades a simulated second: one of each product every {pause:.0f} s, so that most of what is done is
candles.

Grace and windows go by event time, so they are {speed:g} times shorter on the wall clock.
`GRACE_MS` is {grace:,}, which is {wall:.1f} s here: the time that the simulator tells is ahead of
the trades it has not sent yet, by 10 ms and more, and trades must not be late for that. What goes
by the wall clock (checkpoints, the dashboard's polls, timeouts) happens {speed:g} times less often
in an event day: what grows by it shows in {minutes:.0f} minutes of it only.
"""
_RETENTION = """\
- **Topics** `trades` and `ohlc` keep `TOPIC_RETENTION_BYTES` for each partition and drop the oldest
  beyond it; retention is never by time, because records carry event times. Set it so that the
  longest time a service may be away fits: [settings.md](settings.md).
- **The changelog** is compacted by the broker, a segment at a time, once it is closed. The
  aggregator creates the topic with segments of 32 MiB: a partition takes some of them beside its
  state.
- **The store** keeps every row until `features prune` removes old ones. SQLite is good for 50 to
  100 million rows, Postgres beyond: [feature-store.md](feature-store.md).
- **The simulator** keeps every trade, some 33 bytes each. It is no part of a live pipeline.
"""


def page(result: SoakResult) -> str:
    """Return docs/soak.md."""
    short = _SHORT.format(days=result.days) if result.days < _LEAST_DAYS else ""
    method = _METHOD.format(
        days=result.days,
        products=result.products,
        speed=result.speed,
        rate=result.rate,
        pause=result.products / result.rate,
        grace=grace_ms(result.speed),
        wall=grace_ms(result.speed) / 1_000 / result.speed,
        minutes=result.seconds[-1] / 60 if result.seconds else 0.0,
    )
    parts = [
        _HEAD + short + method,
        measured(result.origin),
        "## What must not grow",
        verdict(result),
        verdicts_table(result),
        "![Samples over event time](images/soak.svg)",
        "## What grows",
        rates_table(result),
        _RETENTION.rstrip(),
        "## What limits the speed",
        limits(result),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(result: SoakResult) -> str:
    """Return the sentence and the list of what is wrong."""
    hours = result.hours[-1] if result.hours else 0.0
    minutes = result.seconds[-1] / 60 if result.seconds else 0.0
    reached = f"Event time reached {hours / 24:.2f} days in {minutes:.0f} minutes."
    wrong = failures(result)
    if not wrong:
        return (
            f"{reached} Nothing grew that must not, and all {result.expected:,} rows of a minute "
            "are in the store and complete."
        )
    return "\n".join([f"{reached} **It failed:**", "", *(f"- {each}" for each in wrong)])


def verdicts_table(result: SoakResult) -> str:
    """Return what must not grow: a line fitted through the second half of the samples."""
    rows = [
        [
            f"{_NAMES[each.kind]}, {each.name}",
            f"{each.mean:,.1f} {_UNITS.get(each.kind, '')}".rstrip(),
            f"{each.growth:+,.1f}",
            f"{each.bound:,.1f}",
            "yes" if each.holds else "**no**",
        ]
        for each in verdicts(result)
    ]
    return table(("second half", "mean", "grew by", "allowed", "holds"), rows)


def rates_table(result: SoakResult) -> str:
    """Return what grows, by product and event day."""
    rows = [
        [
            f"{_NAMES[each.kind]}, {each.name}",
            _total(each),
            _per_day(each),
            _days_until_full(each, result.products),
        ]
        for each in rates(result)
    ]
    heads = ("", "at the end", "a product and day", f"full with {result.products:,} products")
    return table(heads, rows)


def _total(rate: Rate) -> str:
    return f"{rate.total:,.0f}" if rate.kind == "count" else f"{rate.total:,.0f} MB"


def _per_day(rate: Rate) -> str:
    if rate.kind == "count":
        return f"{rate.per_product_day:,.0f}"
    return f"{max(0.0, rate.per_product_day) * 1_000:,.1f} kB"


def _days_until_full(rate: Rate, products: int) -> str:
    mb_a_day = rate.per_product_day * products
    if rate.kind != "topic" or rate.name not in ("trades", "ohlc") or mb_a_day <= 0:
        return ""
    return f"after {_TOPIC_BYTES / 1e6 / mb_a_day:,.0f} days"


def limits(result: SoakResult) -> str:
    """Return how busy everything was, and what was full."""
    shares = [f"{name} {busy.mean:.0%}" for name, busy in result.cpu.items()]
    full = saturated(result.cpu, result.machine, result.origin.machine.cores, {})
    words = ", ".join(full) or f"Nothing was full; busiest: {busiest(result.cpu)}"
    if is_disturbed(result.cpu):
        words += "; **disturbed by other programs**"
    machine = f"{result.machine.mean:.0%} busy, the busiest sample {result.machine.peak:.0%}"
    return (
        f"{words[:1].upper()}{words[1:]}. All cores together were {machine}.\n\n"
        f"Share of one core, mean: {', '.join(shares)}."
    )


class _Drawn(NamedTuple):
    title: str
    unit: str
    kind: Kind
    only: Sequence[str] = ()


_PANELS = (
    _Drawn("Memory", "MB", "memory"),
    _Drawn("CPU", "cores", "cpu"),
    _Drawn("Open files", "", "files"),
    _Drawn("Threads", "", "threads"),
    _Drawn("Topics on the disk", "MB", "topic"),
    _Drawn("State folder on the disk", "MB", "state"),
    _Drawn("Store", "MB", "store"),
    _Drawn("Rows written", "", "count", ("candles written", "feature rows")),
    _Drawn("Lag of the groups", "s", "lag"),
    _Drawn("Rows behind the exchange's clock", "s", "behind"),
)


def picture(result: SoakResult) -> str:
    """Return everything over event time, as SVG."""
    panels = []
    for drawn in _PANELS:
        lines = [
            Line(name, thinned(points))
            for name, points in result.of(drawn.kind).items()
            if not drawn.only or name in drawn.only
        ]
        panels.append(Panel(drawn.title, "event hours", drawn.unit, lines))
    return svg(panels, columns=2)


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most so many points: of each run of them the highest, so that no peak is lost."""
    size = -(-len(points) // _POINTS)
    if size <= 1:
        return list(points)
    runs = (points[at : at + size] for at in range(0, len(points), size))
    return [max(each, key=lambda point: point[1]) for each in runs]
