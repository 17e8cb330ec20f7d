"""How long the store stands still when a service is killed and started again at once.

Real processes with default settings: the simulated exchange with many products, a real Apache
Kafka, the three services. A service gets SIGKILL and is started again; measured is the time from
the kill to the next candle in the store that cannot have been on its way before.

Run: ``python benchmarks/restart.py [products] [trades a second] [rounds] [services] [--json FILE]``
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from live_pipeline import SERVICES, LivePipeline, live_pipeline, newest_stored_ms

_WARM_SECONDS = 15.0
# What was on its way at the kill is in the store once nothing came for so long; no process loads,
# connects and writes faster.
_DRAINED_SECONDS = 0.5


def standstill(pipeline: LivePipeline, service: str) -> float:
    """Kill and start a service; return the seconds to the next candle in the store."""
    began = time.monotonic()
    pipeline.kill(service)
    pipeline.start(service)
    newest, moved = newest_stored_ms(pipeline), began
    while True:
        time.sleep(0.01)
        found, now = newest_stored_ms(pipeline), time.monotonic()
        if found != newest:
            if now - moved > _DRAINED_SECONDS:
                return now - began
            newest, moved = found, now


def main() -> None:
    """Kill each service, round after round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("products", type=int, nargs="?", default=1_000)
    parser.add_argument("rate", type=int, nargs="?", default=1_000, help="trades a second")
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("services", nargs="?", default=",".join(SERVICES))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    products, rate, rounds = options.products, options.rate, options.rounds
    figures = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        live_pipeline(Path(folder), products, rate) as pipeline,
    ):
        time.sleep(_WARM_SECONDS)
        print(f"{products} products, {rate} trades/s: from SIGKILL to the next candle in the store")
        for service in options.services.split(","):
            seconds = []
            for _ in range(rounds):
                seconds.append(standstill(pipeline, service))
                time.sleep(_WARM_SECONDS / 3)
            print(
                f"  {service:10}  median {statistics.median(seconds):.2f} s, "
                f"max {max(seconds):.2f} s ({rounds} SIGKILLs)",
                flush=True,
            )
            figures[service] = {"median": statistics.median(seconds), "max": max(seconds)}
            if os.environ.get("SHOW_LOG"):
                print(pipeline.log(service)[-4_000:])
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
