"""The aggregator against its rivals, side by side on one broker, wall and CPU per trade.

    python benchmarks/aggregator/run.py [--trades 2000000] [--products 4 1000] [--bytewax PYTHON]

Every rival is a process of its own, alone on the machine besides the broker. A rival's time runs
from its first record to its last, so that starting up counts for nobody.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import load
import market

from local_stack.brokers import start_broker

HERE = Path(__file__).parent
Figures = dict[str, Any]


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


def measure(
    address: str, folder: Path, products: int, trades: int, bytewax: str
) -> dict[str, Figures]:
    """Measure every rival on the same trades of so many products."""
    run_id = f"bench-{products}"
    again = f"{run_id}-eos"
    batched = f"trades.backfill.{run_id}"
    single = f"single.{run_id}"
    load.create(address, batched, f"trades.backfill.{again}", single, f"{single}.out")
    records, count = load.fill(address, batched, single, market.records(products, trades))
    load.fill(address, f"trades.backfill.{again}", None, market.records(products, trades))
    results = {
        "ceiling: consume + typed decode": rival("run_ceiling.py", address, batched, records),
        "aggregator, at-least-once": ours(address, run_id, records, folder, "at-least-once"),
        "aggregator, exactly-once": ours(address, again, records, folder, "exactly-once"),
        "stock quixstreams window": rival(
            "run_stock_quixstreams.py", address, single, count, folder / f"stock-{products}"
        ),
    }
    if bytewax:
        results["bytewax fold_window"] = rival(
            "run_bytewax.py", address, batched, records, python=bytewax
        )
    for figures in results.values():
        figures["trades"] = count
    return results


def table(products: int, results: dict[str, Figures]) -> None:
    """Print one table: rates, cost per trade, and the ratios that matter."""
    base = results["aggregator, at-least-once"]
    print(
        f"\n{base['trades']:,} trades of {products} products; "
        "ours with 3 intervals, decimals, all rules"
    )
    print(
        f"{'':34}{'trades/s':>12}{'wall us':>9}{'CPU us':>9}"
        f"{'peak MB':>9}{'ours is x':>11}{'by CPU':>8}"
    )
    for name, figures in results.items():
        n = figures["trades"]
        ratio = figures["wall_s"] / base["wall_s"]
        by_cpu = figures["cpu_s"] / base["cpu_s"]
        print(
            f"{name:34}{n / figures['wall_s']:>12,.0f}{figures['wall_s'] / n * 1e6:>9.2f}"
            f"{figures['cpu_s'] / n * 1e6:>9.2f}{figures['peak_mb']:>9}{ratio:>11.2f}{by_cpu:>8.2f}"
        )


def main() -> None:
    """Run and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, default=2_000_000)
    parser.add_argument("--products", type=int, nargs="+", default=[4, 1000])
    parser.add_argument("--bytewax", default="", help="a Python that has bytewax installed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        cost = {}
        with start_broker("auto", folder / "broker") as broker:
            for products in arguments.products:
                results = measure(
                    broker.address, folder, products, arguments.trades, arguments.bytewax
                )
                table(products, results)
                cost[products] = results["aggregator, at-least-once"]["cpu_s"]
                hours = arguments.trades / products * market.MEAN_PAUSE_US / 3.6e9
                print(
                    f"our resident memory at each quarter of {hours:.1f} h of event time: "
                    f"{results['aggregator, at-least-once']['resident_mb']} MB"
                )
        few, many = min(cost), max(cost)
        print(f"\nCPU per trade with {many} products / with {few}: {cost[many] / cost[few]:.2f}")


if __name__ == "__main__":
    main()
