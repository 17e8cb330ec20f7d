"""Days of event time through the live pipeline: does anything grow that must not?

Run: ``make soak ARGS="--days 7 --products 200"``
"""

import argparse
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.claims.model import ROOT
from benchmarks.measuring.machine import origin
from benchmarks.measuring.progress import Progress
from benchmarks.soak.judging import failures
from benchmarks.soak.page import limits, page, picture, rates_table, verdict, verdicts_table
from benchmarks.soak.result import SoakResult
from benchmarks.soak.run import Wanted, run

#: A line that stays, so often, where there is no terminal.
_KEPT_EVERY_SECONDS = 60.0


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=float, default=7.0, help="of event time")
    parser.add_argument("--products", type=int, default=200)
    parser.add_argument("--speed", type=float, default=270.0, help="simulated seconds a second")
    parser.add_argument(
        "--trades-per-second",
        type=float,
        default=10.0,
        help="of all products, a simulated second",
    )
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples")
    parser.add_argument("--no-dashboard", action="store_true")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--write", action="store_true", help="write docs/soak.md and its picture")
    parser.add_argument(
        "--result", type=Path, help="run nothing: judge what --json wrote (with --write)"
    )
    return parser.parse_args()


def soak(options: argparse.Namespace) -> SoakResult:
    """Run the days, saying how far it is."""
    progress, kept = Progress(), [time.monotonic()]

    def say(text: str) -> None:
        if time.monotonic() - kept[0] >= _KEPT_EVERY_SECONDS:
            kept[0] = time.monotonic()
            progress.keep(text)
        else:
            progress.say(text)

    wanted = Wanted(
        options.days,
        options.products,
        options.speed,
        options.trades_per_second,
        options.every,
        not options.no_dashboard,
    )
    result = run(wanted, origin("make soak", sys.argv[1:], {"--json"}), say)
    progress.keep("")
    if options.json:
        options.json.write_bytes(msgspec.json.encode(result))
    return result


def write(result: SoakResult) -> None:
    """Write the page, its picture and the result they are made of."""
    (ROOT / "docs/soak.json").write_bytes(msgspec.json.encode(result) + b"\n")
    (ROOT / "docs/soak.md").write_text(page(result), "utf-8")
    (ROOT / "docs/images/soak.svg").write_text(picture(result), "utf-8")


def main() -> int:
    """Run, print the verdict; return 1 if something grew that must not, or was wrong."""
    options = parsed()
    if options.result:
        result = msgspec.json.decode(options.result.read_bytes(), type=SoakResult)
    else:
        result = soak(options)
    parts = (verdicts_table(result), rates_table(result), limits(result), verdict(result))
    print("\n\n".join(parts))
    if options.write:
        write(result)
    return 1 if failures(result) else 0


if __name__ == "__main__":
    sys.exit(main())
