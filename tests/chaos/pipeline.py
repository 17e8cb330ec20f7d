"""The processes of a run: exchange, broker, store, every service; started again when they end."""

import contextlib
import socket
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from chaos.isolation import Network, SmallDisk
from chaos.plan import PRODUCTS, Plan
from local_stack.brokers import LocalBroker, start_broker
from ohlc_exchanges.registry import has_dense_ids
from support.postgres import PostgresServer, postgres_server
from support.processes import Script, passed_on, script_path
from support.simulator import Simulator, start_simulator_process
from support.wait import wait_until

INTERVALS = ("1s", "10s", "1m")
SPEED = 10  # simulated seconds a second
RATE = 20  # trades of all products a simulated second
DEFINITIONS = Path(__file__).resolve().parents[1] / "support" / "definitions" / "parity.py"
STEPPED_CLOCK = Path(__file__).with_name("stepped_clock")
COMMANDS = {
    "producer": "trade-producer",
    "aggregator": "ohlc-aggregator",
    "aggregator-2": "ohlc-aggregator",
    "writer": "feature-writer",
    "dashboard": "dashboard",
}
_READY = ("producer", "aggregator", "writer", "dashboard")


class Pipeline:
    """Everything that runs; see `pipeline`.

    Attributes:
        exchange: the simulator, whose control the run is never cut off from.
        broker: its data survives restarts.
        postgres: the store's server, None for SQLite.
        store_url: the store, for FEATURE_STORE_URL.
        ends: services that ended by themselves, with their exit code.
    """

    def __init__(
        self, plan: Plan, folder: Path, broker: LocalBroker, postgres: PostgresServer | None
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.broker = broker
        self.postgres = postgres
        self.network = Network()
        self.disks = {name: SmallDisk(folder / name) for name in ("state", "store")}
        self.ends: list[tuple[str, int]] = []
        # Bitstamp's history reaches back one day, so that the market must be one of today.
        begin = datetime.now(UTC) - timedelta(minutes=40)
        self.start_minute = begin.strftime("%Y-%m-%dT%H:%M:")
        self.exchange = self._start_exchange()
        self.store_url = (
            postgres.url if postgres else f"sqlite:///{self.disks['store'].folder}/features.db"
        )
        self._clocks = {name: folder / f"{name}.clock" for name in COMMANDS}
        self._port = _free_port()
        self._ports = {name: _free_port() for name in COMMANDS}
        self._scripts: dict[str, Script] = {}
        for name in _READY:
            self.start(name)

    @property
    def dashboard_url(self) -> str:
        """Where the dashboard answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def broker_port(self) -> int:
        """The broker's port."""
        return int(self.broker.address.rpartition(":")[2])

    @property
    def exchange_port(self) -> int:
        """The exchange's port, of websocket and REST."""
        return int(httpx.URL(self.exchange.rest_url).port or 0)

    def names(self) -> list[str]:
        """Return the services that were started and not taken away."""
        return list(self._scripts)

    def start(self, name: str) -> None:
        """Start a service, again or for the first time."""
        if name not in self._scripts:
            self._scripts[name] = Script(
                COMMANDS[name],
                [script_path(COMMANDS[name])],
                self.folder / f"{name}.log",
                env=passed_on() | self._environment(name),
                cwd=self.folder,
            )
        self._scripts[name].start()

    def remove(self, name: str) -> int:
        """Stop a service for good; return its exit code."""
        return self._scripts.pop(name).stop(60)

    def status(self, name: str) -> str:
        """Return what a service says of itself, for a message."""
        try:
            url = f"http://127.0.0.1:{self._ports[name]}/status"
            return httpx.get(url, timeout=5, trust_env=False).text
        except httpx.HTTPError as error:
            return f"no answer: {error}"

    def process(self, name: str) -> Script:
        """Return a service's process, or the exchange's."""
        if name == "exchange":
            assert self.exchange.script is not None
            return self.exchange.script
        return self._scripts[name]

    def revive(self) -> None:
        """Start again what ended by itself, as Compose would."""
        for name, script in self._scripts.items():
            if not script.is_running:
                self.ends.append((name, script.wait(1)))
                script.start()

    def set_clock(self, name: str, seconds: float) -> None:
        """Move a service's wall clock by ``seconds`` against the true one."""
        new = self._clocks[name].with_suffix(".new")
        new.write_text(f"{seconds:+.3f}\n")
        new.replace(self._clocks[name])  # a reader meets the old or the new text, never half

    def stop_services(self) -> dict[str, int]:
        """Stop every service; return the exit codes."""
        codes: dict[str, int] = {}
        for name in COMMANDS:  # in the order of the data
            if name in self._scripts:
                codes[name] = self.remove(name)
        return codes

    def end(self) -> None:
        """Kill everything."""
        self.network.heal_all()
        for script in self._scripts.values():
            script.resume()
            script.kill()
        self.exchange.stop()
        for disk in self.disks.values():
            disk.remove()

    def backfill(self, timeout: float) -> tuple[Script, Path]:
        """Run a backfill of the same market into a store of its own; return it and the store."""
        store = self.folder / "backfill.db"
        env = self._shared() | {
            "FEATURE_STORE_URL": f"sqlite:///{store}",
            "FROM_DAY": self.start_minute[:10],
        }
        script = Script(
            "local-stack",
            [script_path("local-stack"), "backfill"],
            self.folder / "backfill.log",
            env=passed_on() | env,
            cwd=self.folder,
        )
        script.start()
        script.wait(timeout)
        return script, store

    def _start_exchange(self) -> Simulator:
        simulator = start_simulator_process(
            self.folder / "exchange",
            exchange=self.plan.exchange,
            product_ids=PRODUCTS,
            simulator_seed=self.plan.seed,
            simulator_start=f"{self.start_minute}07",
            simulator_speed=str(SPEED),
            simulator_rate=str(RATE),
            simulator_history="10m",
            simulator_hold="all",
            simulator_quiet_products=PRODUCTS[2],
        )
        simulator.control.come_from(Network.RUNNER)
        return simulator

    def _shared(self) -> dict[str, str]:
        return {
            "EXCHANGE": self.plan.exchange,
            "PRODUCT_IDS": ",".join(PRODUCTS),
            "EXCHANGE_WS_URL": self.exchange.ws_url,
            "EXCHANGE_REST_URL": self.exchange.rest_url,
            "KAFKA_BROKER_ADDRESS": self.broker.address,
            "OHLC_INTERVALS": ",".join(INTERVALS),
            "FEATURE_DEFINITIONS": str(DEFINITIONS),
            "REST_INTERVAL_SECONDS": "0.05",
        }

    def _environment(self, name: str) -> dict[str, str]:
        env = self._shared() | {
            "PYTHONUNBUFFERED": "1",
            "FEATURE_STORE_URL": self.store_url,
            "PROCESSING_GUARANTEE": self.plan.guarantee,
            "COMMIT_INTERVAL_SECONDS": "0.5",
            "CONNECT_BACKOFF_SECONDS": "0.2",
            "STATE_DIR": str(self.disks["state"].folder / name),
            "KAFKA_GROUP_INSTANCE_ID": name if name.startswith("aggregator") else "",
            "DASHBOARD_PORT": str(self._port),
            "METRICS_PORT": "" if name == "dashboard" else str(self._ports[name]),
        }
        if not has_dense_ids(self.plan.exchange):
            # It reports no time; the default would begin by this machine's clock.
            env["START_FROM"] = f"{self.start_minute}00"
        if name != "dashboard":
            self.set_clock(name, 0)
            env |= {"PYTHONPATH": str(STEPPED_CLOCK), "CHAOS_CLOCK": str(self._clocks[name])}
        return env


@contextlib.contextmanager
def pipeline(plan: Plan, folder: Path) -> Iterator[Pipeline]:
    """Run everything that a plan hurts."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(start_broker("kafka", folder / "broker"))
        postgres = stack.enter_context(postgres_server()) if plan.store == "postgres" else None
        running = Pipeline(plan, folder, broker, postgres)
        stack.callback(running.end)
        stack.callback(broker.resume)
        yield running


@contextlib.contextmanager
def locked_store(running: Pipeline) -> Iterator[None]:
    """Hold the store as a careless reader's open transaction would."""
    if running.postgres is not None:
        yield from _locked_postgres(running.postgres)
        return
    path = running.disks["store"].folder / "features.db"
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        with contextlib.suppress(sqlite3.OperationalError):  # no file, or the disk is full
            connection.execute("BEGIN IMMEDIATE")
        yield


def _locked_postgres(server: PostgresServer) -> Iterator[None]:
    import psycopg

    with contextlib.closing(psycopg.connect(server.url)) as connection:
        with contextlib.suppress(psycopg.Error):  # the writer may not have made it yet
            connection.execute("SET lock_timeout = '3s'; LOCK TABLE ohlc_1 IN EXCLUSIVE MODE")
        yield
        with contextlib.suppress(psycopg.Error):  # the server may have been crashed meanwhile
            connection.rollback()


def wait_answers(running: Pipeline) -> dict[str, Any]:
    """Return what the dashboard says of now, once it answers."""

    def answer() -> dict[str, Any]:
        try:
            response = httpx.get(f"{running.dashboard_url}/api/now", timeout=10, trust_env=False)
        except httpx.HTTPError:
            return {}
        return dict(response.json()) if response.is_success else {}

    return wait_until(answer, 30, "the dashboard's answer")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
