"""A whole live pipeline of real processes with default settings, for benchmarks.

The simulated exchange, a real Apache Kafka, the three services, a store of SQLite: each started
as a user would, so that it can be killed and started again.
"""

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack.brokers import start_broker

SERVICES = {
    "producer": "trade-producer",
    "aggregator": "ohlc-aggregator",
    "writer": "feature-writer",
}
_START_SECONDS = 120.0


class LivePipeline:
    """The processes; see `live_pipeline`.

    Attributes:
        broker_address: the broker.
        websocket_url: the simulated exchange.
        products: their names.
    """

    def __init__(
        self, folder: Path, broker_address: str, products: int, rate: float, faults: str
    ) -> None:
        self.broker_address = broker_address
        self.products = [f"P{number:04}/USD" for number in range(products)]
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        names = ",".join(self.products)
        self._env = {"PRODUCT_IDS": names, "SIMULATOR_RATE": str(rate), "SIMULATOR_HISTORY": "10s"}
        if faults:
            (folder / "faults.json").write_text(faults)
            self._env["SIMULATOR_FAULTS"] = str(folder / "faults.json")
        self._start("exchange-simulator")
        self.websocket_url = self._simulator_url()
        self._env = {
            "PRODUCT_IDS": names,
            "EXCHANGE_WS_URL": self.websocket_url,
            "EXCHANGE_REST_URL": re.sub(r"^ws://([^/]+).*", r"http://\1", self.websocket_url),
            "KAFKA_BROKER_ADDRESS": broker_address,
            "OHLC_INTERVALS": "1s",
            "FEATURE_STORE_URL": f"sqlite:///{folder}/features.db",
        }
        if products > 100:
            # The simulator answers at once; a thousand products' gaps need no second each.
            self._env["REST_INTERVAL_SECONDS"] = "0.001"
        for service in SERVICES:
            self.start(service)
        self._wait_for_rows()

    def start(self, service: str) -> None:
        """Start a service."""
        self._start(SERVICES[service])

    def kill(self, service: str) -> None:
        """Kill a service with SIGKILL."""
        process = self._running[SERVICES[service]]
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Kill everything that still runs."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()

    def log(self, service: str) -> str:
        """Return what a service has logged."""
        return (self._folder / f"{SERVICES[service]}.log").read_text()

    def store(self) -> sqlite3.Connection:
        """Return a reader's connection to the store."""
        return sqlite3.connect(f"file:{self._folder}/features.db?mode=ro", uri=True)

    def _start(self, script: str) -> None:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        with (self._folder / f"{script}.log").open("ab") as output:
            self._running[script] = subprocess.Popen(
                [str(Path(sys.executable).parent / script)],
                env=kept | self._env,
                cwd=self._folder,
                stdout=output,
                stderr=output,
            )

    def _simulator_url(self) -> str:
        log, deadline = self._folder / "exchange-simulator.log", time.monotonic() + _START_SECONDS
        while not (found := re.search(r"ws=(ws://\S+)", log.read_text())):
            if time.monotonic() > deadline:
                raise SystemExit(f"the simulator did not start: {log.read_text()}")
            time.sleep(0.05)
        return found.group(1)

    def _wait_for_rows(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while newest_stored_ms(self) == 0:
            if time.monotonic() > deadline:
                raise SystemExit("\n".join(self.log(each)[-2_000:] for each in SERVICES))
            time.sleep(0.1)


def newest_stored_ms(pipeline: LivePipeline) -> int:
    """Return when the newest row was stored; 0 before there is one."""
    try:
        with pipeline.store() as connection:
            (newest,) = connection.execute("SELECT max(stored_at) FROM ohlc_1_latest").fetchone()
        connection.close()
    except sqlite3.OperationalError:
        return 0
    return newest or 0


@contextmanager
def live_pipeline(
    folder: Path, products: int, rate: float, faults: str = ""
) -> Iterator[LivePipeline]:
    """Run a pipeline whose store holds its first rows already.

    Args:
        folder: where everything it keeps goes.
        products: how many.
        rate: trades a second, of all of them.
        faults: the simulator's, in JSON.
    """
    with start_broker("kafka", folder / "broker") as broker:
        pipeline = LivePipeline(folder, broker.address, products, rate, faults)
        try:
            yield pipeline
        finally:
            pipeline.stop()
