"""The aggregator against its rivals, side by side on one broker, wall and CPU per trade.

    python benchmarks/aggregator/run.py [--trades 2000000] [--products 4 1000] [--rounds 3]
        [--bytewax PYTHON]

Every rival is a process of its own, alone on the machine besides the broker. A rival's time runs
from its first record to its last, so that starting up counts for nobody. Rivals take turns; each
figure is the median of the rounds, but stock quixstreams runs once.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import market

import load
from local_stack.brokers import start_broker

#: What reading trades costs that come as objects, before anything is done with them.
OBJECTS = "consume, decode an object a trade"
HERE = Path(__file__).parent
Figures = dict[str, Any]


class Bench(NamedTuple):
    """What all measurements of a run share; ``bytewax`` is a Python that has it, or empty."""

    address: str
    folder: Path
    trades: int
    rounds: int
    bytewax: str


def rival(script: str, *arguments: object, python: str = sys.executable, **env: str) -> Figures:
    """Run one rival; return its figures.

    Raises:
        SystemExit: it failed; what it said is printed.
    """
    command = [python, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode != 0:
        raise SystemExit(f"{script} failed:\n{done.stderr[-3000:]}")
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def ours(address: str, run_id: str, records: int, folder: Path, guarantee: str) -> Figures:
    """Run the aggregator over the run's trades with all rules on."""
    return rival(
        "run_ours.py",
        records,
        KAFKA_BROKER_ADDRESS=address,
        RUN_ID=run_id,
        OHLC_INTERVALS="1m,5m,1h",
        PROCESSING_GUARANTEE=guarantee,
        STATE_DIR=str(folder / f"state-{run_id}-{guarantee}"),
    )


def measure(bench: Bench, products: int) -> dict[str, Figures]:
    """Measure every rival on the same trades of so many products; return the medians."""
    found: dict[str, list[Figures]] = {}
    for number in range(bench.rounds):
        run_id = f"bench-{products}-{number}"
        for name, figures in _round(bench, products, run_id).items():
            found.setdefault(name, []).append(figures)
    run_id = f"stock-{products}"
    load.create(bench.address, run_id, f"{run_id}.single", f"{run_id}.single.out")
    filled = load.fill(
        bench.address,
        run_id,
        market.records(products, bench.trades),
        single=f"{run_id}.single",
    )
    # Once: it takes longer than all the others together, and is behind by a multiple.
    found["stock quixstreams window"] = [
        rival(
            "run_stock_quixstreams.py",
            bench.address,
            f"{run_id}.single",
            filled.trades,
            bench.folder / run_id,
        )
    ]
    size = filled.bytes_before / filled.trades
    stored = _stored_bytes(bench.folder / "broker", run_id) / filled.trades
    print(f"\n`trades` bytes per trade: {size:.1f}, lz4: {stored:.1f} in the broker's log")
    return {
        name: _median(several) | {"trades": filled.trades, "bytes_per_trade": size}
        for name, several in found.items()
    }


def _stored_bytes(folder: Path, topic: str) -> int:
    """Return the size of a topic's log segments, where the broker keeps them as files."""
    pattern = re.compile(re.escape(topic) + r"-[0-9]+")
    return sum(
        path.stat().st_size for path in folder.rglob("*.log") if pattern.fullmatch(path.parent.name)
    )


def _round(bench: Bench, products: int, run_id: str) -> dict[str, Figures]:
    again = f"{run_id}-eos"
    batched = f"trades.backfill.{run_id}"
    objects = f"{run_id}.objects"
    load.create(bench.address, batched, objects, f"trades.backfill.{again}")
    records = load.fill(
        bench.address, batched, market.records(products, bench.trades), objects=objects
    ).records
    load.fill(bench.address, f"trades.backfill.{again}", market.records(products, bench.trades))
    results = {
        OBJECTS: rival("run_ceiling.py", bench.address, objects, records),
        "aggregator, at-least-once": ours(
            bench.address, run_id, records, bench.folder, "at-least-once"
        ),
        "aggregator, exactly-once": ours(
            bench.address, again, records, bench.folder, "exactly-once"
        ),
    }
    if bench.bytewax:
        results["bytewax fold_window"] = rival(
            "run_bytewax.py", bench.address, batched, records, python=bench.bytewax
        )
    return results


def _median(several: list[Figures]) -> Figures:
    """Return the run in the middle by wall time, with the CPU time in the middle."""
    middle = len(several) // 2
    by_wall = sorted(several, key=lambda figures: figures["wall_s"])[middle]
    return by_wall | {"cpu_s": sorted(figures["cpu_s"] for figures in several)[middle]}


def table(products: int, results: dict[str, Figures]) -> dict[str, Figures]:
    """Print and return one table: rates, cost per trade, and the ratios that matter."""
    base = results["aggregator, at-least-once"]
    print(
        f"\n{base['trades']:,} trades of {products} products; "
        "ours with 3 intervals, decimals, all rules"
    )
    print(
        f"{'':34}{'trades/s':>12}{'wall us':>9}{'CPU us':>9}"
        f"{'peak MB':>9}{'ours is x':>11}{'by CPU':>8}"
    )
    shown: dict[str, Figures] = {}
    for name, figures in results.items():
        n = figures["trades"]
        ratio = figures["wall_s"] / base["wall_s"]
        by_cpu = figures["cpu_s"] / base["cpu_s"]
        print(
            f"{name:34}{n / figures['wall_s']:>12,.0f}{figures['wall_s'] / n * 1e6:>9.2f}"
            f"{figures['cpu_s'] / n * 1e6:>9.2f}{figures['peak_mb']:>9}{ratio:>11.2f}{by_cpu:>8.2f}"
        )
        shown[name] = {
            "trades/s": n / figures["wall_s"],
            "wall us": figures["wall_s"] / n * 1e6,
            "CPU us": figures["cpu_s"] / n * 1e6,
            "ours by clock": ratio,
            "ours by CPU": by_cpu,
            **figures,
        }
    return shown


def main() -> None:
    """Run and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, default=2_000_000)
    parser.add_argument("--products", type=int, nargs="+", default=[4, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytewax", default="", help="a Python that has bytewax installed")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        cost = {}
        tables: dict[str, object] = {}
        with start_broker("auto", folder / "broker") as broker:
            bench = Bench(
                broker.address, folder, arguments.trades, arguments.rounds, arguments.bytewax
            )
            for products in arguments.products:
                results = measure(bench, products)
                tables[str(products)] = table(products, results)
                cost[products] = results["aggregator, at-least-once"]["cpu_s"]
                hours = arguments.trades / products * market.MEAN_PAUSE_US / 3.6e9
                print(
                    f"our resident memory at each quarter of {hours:.1f} h of event time: "
                    f"{results['aggregator, at-least-once']['resident_mb']} MB"
                )
        few, many = min(cost), max(cost)
        print(f"\nCPU per trade with {many} products / with {few}: {cost[many] / cost[few]:.2f}")
        if arguments.json:
            tables["CPU per trade, many by few"] = cost[many] / cost[few]
            arguments.json.write_text(json.dumps(tables))


if __name__ == "__main__":
    main()
