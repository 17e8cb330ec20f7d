"""A whole live pipeline of real processes with default settings, for benchmarks.

The simulated exchange, a real Apache Kafka, the three services, a store of SQLite: each started
as a user would, so that it can be killed and started again.
"""

import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local_stack.brokers import start_broker
from local_stack.brokers.broker import LocalBroker
from local_stack.ports import free_port
from local_stack.processes import ManagedProcess

SERVICES = {
    "producer": "trade-producer",
    "aggregator": "ohlc-aggregator",
    "writer": "feature-writer",
}
SIMULATOR = "exchange-simulator"
_START_SECONDS = 120.0


class LivePipeline:
    """The processes; see `live_pipeline`.

    Attributes:
        broker_address: the broker.
        websocket_url, rest_url: the simulated exchange.
        products: their names.
        folder: where everything it keeps is.
        metrics: the addresses of the services that serve metrics, by name.
    """

    def __init__(
        self,
        folder: Path,
        broker: LocalBroker,
        products: int,
        simulator: Mapping[str, str],
        services: Mapping[str, str],
        *,
        with_metrics: bool = False,
    ) -> None:
        self.broker_address = broker.address
        self.products = [f"P{number:04}/USD" for number in range(products)]
        self.folder = folder
        self.metrics: dict[str, str] = {}
        self._broker = broker
        self._with_metrics = with_metrics
        self._running: dict[str, ManagedProcess] = {}
        names = ",".join(self.products)
        self._env = {"PRODUCT_IDS": names, **simulator}
        self._start("simulator", SIMULATOR)
        self.websocket_url = self._simulator_url()
        self.rest_url = re.sub(r"^ws://([^/]+).*", r"http://\1", self.websocket_url)
        self._env = {
            "PRODUCT_IDS": names,
            "EXCHANGE_WS_URL": self.websocket_url,
            "EXCHANGE_REST_URL": self.rest_url,
            "KAFKA_BROKER_ADDRESS": broker.address,
            "OHLC_INTERVALS": "1s",
            "FEATURE_STORE_URL": f"sqlite:///{folder}/features.db",
            **services,
        }
        if products > 100:
            # The simulator answers at once; a thousand products' gaps need no second each.
            self._env["REST_INTERVAL_SECONDS"] = "0.001"

    def start(self, service: str) -> None:
        """Start a service; ``aggregator-2`` is a second aggregator, with a state of its own."""
        kind, _, number = service.partition("-")
        own = {"STATE_DIR": f"data/state-{number}"} if number else {}
        if self._with_metrics:
            port = free_port()
            own["METRICS_PORT"] = str(port)
            self.metrics[service] = f"http://127.0.0.1:{port}"
        self._start(service, SERVICES[kind], own)

    def start_dashboard(self) -> str:
        """Start the dashboard of this pipeline; return its address."""
        watched = ",".join(f"{SERVICES[name]}={url}" for name, url in self.metrics.items())
        port = free_port()
        own = {"DASHBOARD_PORT": str(port), "DASHBOARD_SERVICES": watched}
        self._start("dashboard", "dashboard", own)
        return f"http://127.0.0.1:{port}"

    def kill(self, service: str) -> None:
        """Kill a service with SIGKILL."""
        self._running[service].kill()

    def stop(self) -> None:
        """Kill everything that still runs."""
        for process in self._running.values():
            process.kill()

    def pids(self) -> dict[str, int]:
        """Return the process ids of the simulator, the broker and the services.

        Raises:
            ProcessDiedError: one of them has ended.
        """
        processes = {"broker": self._broker.process, **self._running}
        for process in processes.values():
            process.check_running()
        return {name: process.pid for name, process in processes.items()}

    def log(self, service: str) -> str:
        """Return what a service has logged."""
        return self._running[service].log_file.read_text()

    def store(self) -> sqlite3.Connection:
        """Return a reader's connection to the store."""
        return sqlite3.connect(f"file:{self.folder}/features.db?mode=ro", uri=True)

    def wait_for_rows(self) -> None:
        """Wait until the store holds its first rows.

        Raises:
            SystemExit: none came.
        """
        deadline = time.monotonic() + _START_SECONDS
        while newest_stored_ms(self) == 0:
            if time.monotonic() > deadline:
                logs = [self.log(each)[-2_000:] for each in self._running]
                raise SystemExit("\n".join(logs))
            time.sleep(0.1)

    def _start(self, name: str, script: str, own: Mapping[str, str] | None = None) -> None:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        process = ManagedProcess(
            name,
            [Path(sys.executable).parent / script],
            self.folder / f"{name}.log",
            env={**kept, **self._env, **(own or {})},
            cwd=self.folder,
        )
        process.start()
        self._running[name] = process

    def _simulator_url(self) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while not (found := re.search(r"ws=(ws://\S+)", self.log("simulator"))):
            if time.monotonic() > deadline or not self._running["simulator"].is_running:
                raise SystemExit(f"the simulator did not start: {self.log('simulator')}")
            time.sleep(0.05)
        return found.group(1)


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
    folder: Path,
    products: int,
    rate: float,
    faults: str = "",
    *,
    aggregators: int = 1,
    simulator: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    with_metrics: bool = False,
) -> Iterator[LivePipeline]:
    """Run a pipeline whose store holds its first rows already.

    Args:
        folder: where everything it keeps goes.
        products: how many.
        rate: trades a simulated second, of all of them.
        faults: the simulator's, in JSON.
        aggregators: how many share the topic.
        simulator, services: settings beside or instead of a benchmark's usual ones.
        with_metrics: whether the services serve their metrics.
    """
    market = {"SIMULATOR_RATE": str(rate), "SIMULATOR_HISTORY": "10s", **(simulator or {})}
    if faults:
        (folder / "faults.json").write_text(faults)
        market["SIMULATOR_FAULTS"] = str(folder / "faults.json")
    with start_broker("kafka", folder / "broker") as broker:
        pipeline = LivePipeline(
            folder, broker, products, market, services or {}, with_metrics=with_metrics
        )
        try:
            for service in ("producer", "aggregator", "writer"):
                pipeline.start(service)
            for number in range(2, aggregators + 1):
                pipeline.start(f"aggregator-{number}")
            pipeline.wait_for_rows()
            yield pipeline
        finally:
            pipeline.stop()
