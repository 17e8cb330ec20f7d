"""How long the store stands still when a service is killed and started again at once.

Real processes with default settings: the simulated exchange with many products, a real Apache
Kafka, the three services. A service gets SIGKILL and is started again; measured is the time from
the kill to the next candle in the store that cannot have been on its way before.

Run: ``python benchmarks/restart.py [products] [trades a second] [rounds] [services]``
"""

import os
import statistics
import sys
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
    given = (*sys.argv[1:], *("1000", "1000", "5", ",".join(SERVICES))[len(sys.argv) - 1 :])
    products, rate, rounds = (int(argument) for argument in given[:3])
    with (
        tempfile.TemporaryDirectory() as folder,
        live_pipeline(Path(folder), products, rate) as pipeline,
    ):
        time.sleep(_WARM_SECONDS)
        print(f"{products} products, {rate} trades/s: from SIGKILL to the next candle in the store")
        for service in given[3].split(","):
            seconds = []
            for _ in range(rounds):
                seconds.append(standstill(pipeline, service))
                time.sleep(_WARM_SECONDS / 3)
            print(
                f"  {service:10}  median {statistics.median(seconds):.2f} s, "
                f"max {max(seconds):.2f} s ({rounds} SIGKILLs)",
                flush=True,
            )
            if os.environ.get("SHOW_LOG"):
                print(pipeline.log(service)[-4_000:])


if __name__ == "__main__":
    main()
