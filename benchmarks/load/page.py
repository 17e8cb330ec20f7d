"""docs/load.md and its picture, from a result alone."""

from benchmarks.load.result import LoadResult, Step, Variant
from benchmarks.load.saturation import busiest
from benchmarks.measuring.chart import Line, Panel, svg
from benchmarks.measuring.pages import measured, table

#: Shorter spans show that the benchmark works, not what the pipeline carries.
_LEAST_SECONDS = 30.0

_HEAD = """\
# How much one machine carries

Written by `make bench-load ARGS="--write"` from what it measured; the numbers are in
[load.json](load.json).
"""
_SHORT = """
**A trial of {seconds:g} s a rate, to show the form: its numbers are no measurement.**
"""
_METHOD = """
Everything is a process of its own, with default settings, on one machine: simulated exchange,
producer, Apache Kafka, aggregators, writer, a local store (SQLite), windows of 1 s. Each rate has a
new pipeline, 8 s of warm-up once every product has a row, then {seconds:g} s that count.

Freshness is the time from a window's end plus `GRACE_MS` to its row being readable, by the row's
`stored_at`, which is some 3 ms late. A row that has not come 5 s after the span counts as waited
for until then. A rate is carried when the p99 is under {limit:g} ms, no row is missing and no lag
grows. Rates go up until one fails twice, then between what held and what failed; where the lowest
one fails, lower ones are not tried.
"""
_LIMIT = """\
The trades of the market come in bursts, so a rate reached differs from the one asked for, the more
the fewer the products. A process is called full when it uses 90 % of a core over the span, or in a
tenth of its seconds; all cores from 95 % over the span, or at 90 % in a tenth of its seconds. The
simulator shares the machine: where it is the one that is full, the pipeline may carry more. What
other programs and the kernel used is shown as others; from a quarter of a core on, a step is called
disturbed.
"""


def page(result: LoadResult) -> str:
    """Return docs/load.md."""
    short = _SHORT.format(seconds=result.seconds) if result.seconds < _LEAST_SECONDS else ""
    method = _METHOD.format(seconds=result.seconds, limit=result.limit_ms)
    parts = [
        _HEAD + short + method,
        measured(result.origin),
        "## What it carries",
        f"![Freshness p99 against the rate, a line a variant; {result.limit_ms:g} ms dashed]"
        "(images/load.svg)",
        summary(result),
        _LIMIT.rstrip(),
        "## Every rate",
    ]
    for variant in result.variants:
        parts += [f"### {variant.name}", steps_table(variant), cpu_table(variant)]
    return "\n\n".join(parts) + "\n"


def summary(result: LoadResult) -> str:
    """Return the table of the highest rates."""
    rows = []
    for variant in result.variants:
        best, full = variant.best(), variant.first_full()
        rows.append(
            [
                f"{variant.products:,}",
                str(variant.aggregators),
                "none" if best is None else f"{best.asked:,.0f}",
                "" if best is None else f"{best.reached:,.0f}",
                "" if best is None else f"{best.p99:.0f} ms",
                "" if full is None else f"at {full.asked:,.0f}: {full.full[0]}",
                _ended(variant),
            ]
        )
    heads = ("products", "aggregators", "trades/s", "reached", "p99", "full first", "what ended it")
    return table(heads, rows)


def _ended(variant: Variant) -> str:
    failed = variant.first_failed()
    if failed is None:
        return "nothing: no higher rate was tried"
    words = failed.notes or [f"nothing full; busiest: {busiest(failed.cpu)}"]
    missing = [f"{failed.missing} rows missing"] if failed.missing else []
    return f"at {failed.asked:,.0f}, p99 {failed.p99:,.0f} ms: {', '.join([*words, *missing])}"


def steps_table(variant: Variant) -> str:
    """Return freshness, lag and what was full at every rate that was measured."""
    rows = [
        [
            f"{step.asked:,.0f}",
            f"{step.reached:,.0f}",
            *(f"{each:,.0f}" for each in (step.p50, step.p90, step.p99, step.largest)),
            f"{step.missing} of {step.rows:,}",
            *(f"{lag.highest:,}" for lag in step.lag.values()),
            ", ".join(step.notes),
            "yes" if step.passes else "no",
        ]
        for step in _ascending(variant)
    ]
    groups = [f"lag, {group}" for group in variant.steps[0].lag]
    ms = ("p50 ms", "p90", "p99", "max")
    return table(["asked", "reached", *ms, "missing", *groups, "full", "carried"], rows)


def cpu_table(variant: Variant) -> str:
    """Return how busy each process was: mean and the busiest second, in % of a core."""
    names = list(variant.steps[0].cpu)
    rows = [
        [
            f"{step.asked:,.0f}",
            *(f"{step.cpu[name].mean:.0%}, {step.cpu[name].peak:.0%}" for name in names),
            f"{step.machine.mean:.0%}",
        ]
        for step in _ascending(variant)
    ]
    return table(["CPU: mean, peak at", *names, "all cores"], rows)


def picture(result: LoadResult) -> str:
    """Return freshness p99 against the rate that was reached, as SVG."""
    lines = [
        Line(variant.name, [(step.reached, step.p99) for step in _by_reached(variant)])
        for variant in result.variants
    ]
    panel = Panel(
        "Freshness p99 beyond grace",
        "trades/s reached",
        "ms",
        lines,
        limit=result.limit_ms,
        log=True,
    )
    return svg([panel])


def _ascending(variant: Variant) -> list[Step]:
    return sorted(variant.steps, key=lambda step: step.asked)


def _by_reached(variant: Variant) -> list[Step]:
    return sorted(variant.steps, key=lambda step: step.reached)
