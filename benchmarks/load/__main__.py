"""The highest live rate at which rows stay fresh, and what is full first.

Run: ``make bench-load ARGS="--products 4 100 2000 --aggregators 1 2 3"``
"""

import argparse
import sys
from pathlib import Path

import msgspec

from benchmarks.load.page import page, picture, summary
from benchmarks.load.ramp import next_rate
from benchmarks.load.result import LoadResult, Step, Variant
from benchmarks.load.step import Wanted, measure
from benchmarks.measuring.machine import origin
from benchmarks.measuring.progress import Progress

_ROOT = Path(__file__).resolve().parents[2]
_LADDER = [200.0, 1_000.0, 2_000.0, 5_000.0, 8_000.0, 12_000.0, 16_000.0, 20_000.0]
#: A rate has failed once it failed so often: one long pause of the machine is no limit.
_TRIES = 2


def ramp(options: argparse.Namespace, products: int, aggregators: int) -> Variant:
    """Measure one variant's rates until the highest is known."""
    progress = Progress()
    held: dict[float, bool] = {}
    steps: list[Step] = []
    while (rate := next_rate(held, options.rates)) is not None:
        wanted = Wanted(rate, products, aggregators, options.seconds, options.limit)
        name = f"{products} products, {aggregators} aggr., {rate:,.0f} trades/s"

        def say(text: str, name: str = name) -> None:
            progress.say(f"{name}: {text}")

        for _ in range(_TRIES):
            steps.append(measure(wanted, say))
            progress.keep(f"{name}: {told(steps[-1])}")
            held[rate] = steps[-1].passes
            if held[rate]:
                break
    return Variant(aggregators, products, steps)


def told(step: Step) -> str:
    """Return a step in one line."""
    cpu = " ".join(f"{name} {busy.mean:.0%}" for name, busy in step.cpu.items())
    return (
        f"{'carried' if step.passes else 'NOT carried'}, reached {step.reached:,.0f}, "
        f"p50 {step.p50:.0f} p90 {step.p90:.0f} p99 {step.p99:.0f} max {step.largest:.0f} ms, "
        f"{step.missing} of {step.rows} rows missing; {cpu}; all cores {step.machine.mean:.0%}; "
        f"{', '.join(step.notes) or 'nothing full'}"
    )


def write(result: LoadResult) -> None:
    """Write the page, its picture and the result they are made of."""
    text = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (_ROOT / "docs/load.json").write_bytes(text + b"\n")
    (_ROOT / "docs/load.md").write_text(page(result), "utf-8")
    (_ROOT / "docs/images/load.svg").write_text(picture(result), "utf-8")


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--products", type=int, nargs="+", default=[4, 100, 2_000])
    parser.add_argument("--aggregators", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--rates", type=float, nargs="+", default=_LADDER, help="trades/s, ascending, to 20000"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="measured at each rate")
    parser.add_argument("--limit", type=float, default=250.0, help="ms, of the freshness p99")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--write", action="store_true", help="write docs/load.md and its picture")
    parser.add_argument(
        "--result", type=Path, help="measure nothing: take what --json wrote (with --write)"
    )
    return parser.parse_args()


def measured(options: argparse.Namespace) -> LoadResult:
    """Measure every variant."""
    came_from = origin("make bench-load", sys.argv[1:], {"--json"})
    variants: list[Variant] = []
    for products in options.products:
        for aggregators in options.aggregators:
            variants.append(ramp(options, products, aggregators))
            result = LoadResult(came_from, options.limit, options.seconds, variants)
            if options.json:
                options.json.write_bytes(msgspec.json.encode(result))
    return result


def main() -> None:
    """Measure every variant and print the highest rates."""
    options = parsed()
    if options.result:
        result = msgspec.json.decode(options.result.read_bytes(), type=LoadResult)
    else:
        result = measured(options)
    print(f"\n{summary(result)}")
    if options.write:
        write(result)


if __name__ == "__main__":
    main()
