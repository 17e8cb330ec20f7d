"""Drives one compose project: start it, hurt it, look into its feature store."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ohlc_features.schema import FeatureRow
from support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]

_DUMP = """
import json, pathlib, sqlite3
path = pathlib.Path("/app/data/features.db")
rows = []
if path.exists():
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    if connection.execute("select 1 from sqlite_master where name = 'ohlc_1'").fetchone():
        rows = connection.execute("select * from ohlc_1 order by 1, 2, 3, 4").fetchall()
print(json.dumps(rows))
"""

_FORGET = """
import sqlite3, sys
connection = sqlite3.connect("/app/data/features.db", timeout=30)
with connection:
    connection.execute("delete from ohlc_1 where window_start < ?", (int(sys.argv[1]),))
"""


class ComposeError(AssertionError):
    """A docker command failed; the text is its own."""


class ComposeStack:
    """A compose project of its own name, with its own volumes and any free ports.

    Args:
        files: compose files of the repository, in order.
        settings: the lines of its ``.env``, over nothing but this test's environment.
    """

    def __init__(self, project: str, files: Sequence[str], settings: Mapping[str, str]) -> None:
        self.project = project
        standin = os.environ.get("STANDIN_BROKER_IMAGE")
        overrides = ["docker/ci/compose.standin.yaml"] if standin else []
        if standin and "docker-compose.three-brokers.yml" in files:
            overrides.append("docker/ci/compose.standin-three.yaml")
        self._files = [option for file in (*files, *overrides) for option in ("-f", file)]
        lines = {
            "DASHBOARD_PORT": "0",  # any free one: other stacks may run
            "COMPOSE_PROJECT_NAME": project,
            "HEALTH_INTERVAL": "2s",
            "KAFKA_PORT": "0",
            "KAFKA_PORT_1": "0",
            "KAFKA_PORT_2": "0",
            "SIMULATOR_HOST_PORT": "0",
            "SIMULATOR_CONTROL": "true",
            **settings,
        }
        self._env_file = Path(tempfile.mkdtemp(prefix=f"{project}-")) / "settings.env"
        self._env_file.write_text("".join(f"{name}='{text}'\n" for name, text in lines.items()))
        self._environment = {**os.environ, "ENV_FILE": str(self._env_file)}

    # --- life ----------------------------------------------------------------------------

    def compose(self, *arguments: str, timeout: float = 300) -> str:
        """Run ``docker compose`` and return its stdout."""
        return self._run(
            ["docker", "compose", "--env-file", str(self._env_file), *self._files, *arguments],
            timeout,
        )

    def up(self, *arguments: str) -> None:
        """Start everything, in the background, and wait until all of it is healthy."""
        try:
            self.compose("up", "-d", "--no-build", "--wait", "--wait-timeout", "240", *arguments)
        except ComposeError as error:
            raise ComposeError(f"{error}\n{self.logs()}") from None

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        self.compose("--profile", "*", "down", "-v", "--remove-orphans", "--timeout", "5")
        shutil.rmtree(self._env_file.parent)

    def logs(self, *services: str) -> str:
        """Return the last lines of the logs, for a failed test's report."""
        return self.compose("logs", "--no-color", "--tail", "60", *services)

    # --- containers ----------------------------------------------------------------------

    def containers(self, service: str) -> list[str]:
        """Return the ids of the service's containers, running or not."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def inspect(self, service: str) -> Any:
        """Return what Docker knows of the service's first container."""
        return json.loads(self._run(["docker", "inspect", self.containers(service)[0]]))[0]

    def wait_healthy(self, *services: str, timeout: float = 90) -> None:
        """Wait until the services run and say they make progress."""
        for service in services:
            wait_until(
                lambda service=service: self._is_healthy(service),  # type: ignore[misc]
                timeout,
                f"{service} healthy",
                every=0.3,
            )

    def _is_healthy(self, service: str) -> bool:
        state = self.inspect(service)["State"]
        return bool(state["Running"]) and state.get("Health", {}).get("Status") == "healthy"

    def url(self, service: str, port: int) -> str:
        """Return where a published port of the service can be reached from here."""
        return f"http://{self.compose('port', service, str(port)).strip()}"

    # --- harm ----------------------------------------------------------------------------

    def crash(self, service: str) -> None:
        """SIGKILL the service's processes; Docker's restart policy brings it back."""
        before = self.inspect(service)["RestartCount"]
        # The shell that runs this dies with the rest, so its exit code says nothing.
        self._run(
            ["docker", "exec", self.containers(service)[0], "sh", "-c", "kill -9 -1"], check=False
        )
        wait_until(
            lambda: self.inspect(service)["RestartCount"] > before,
            30,
            f"{service} restarted by Docker after SIGKILL",
        )

    def kill_all_but_one(self, service: str) -> None:
        """SIGKILL the service's containers for good; the one that is left has to do."""
        self._run(["docker", "kill", *self.containers(service)[1:]])

    def kill(self, service: str) -> None:
        """SIGKILL the service for good."""
        self.compose("kill", "-s", "KILL", service)

    @contextmanager
    def killed(self, service: str) -> Iterator[None]:
        """SIGKILL the service, and start it again at the end."""
        self.compose("kill", "-s", "KILL", service)
        yield
        self.compose("start", service)

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Freeze the service's processes for the while."""
        self.compose("pause", service)
        yield
        self.compose("unpause", service)

    @contextmanager
    def partitioned(self, service: str) -> Iterator[None]:
        """Take the service off its networks for the while."""
        container = self.containers(service)[0]
        networks = list(self.inspect(service)["NetworkSettings"]["Networks"])
        for network in networks:
            self._run(["docker", "network", "disconnect", network, container])
        yield
        for network in networks:
            self._run(["docker", "network", "connect", "--alias", service, network, container])

    # --- the feature store ---------------------------------------------------------------

    def rows(self) -> list[FeatureRow]:
        """Return the history table, in the order of its keys."""
        return _rows(self.compose("exec", "-T", "feature-writer", "python", "-c", _DUMP))

    def stored_rows(self) -> list[FeatureRow]:
        """Return the history table while no writer runs."""
        answer = self.compose(
            "run", "--rm", "-T", "--no-deps", "feature-writer", "python", "-c", _DUMP
        )
        return _rows(answer)

    def forget_rows_before(self, window_start_ms: int) -> None:
        """Delete history, so that only a backfill can bring it back."""
        self.compose("exec", "-T", "feature-writer", "python", "-c", _FORGET, str(window_start_ms))

    # -------------------------------------------------------------------------------------

    def _run(self, command: list[str], timeout: float = 60, check: bool = True) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            raise ComposeError(
                f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout


def _rows(answer: str) -> list[FeatureRow]:
    return [
        row._replace(complete=bool(row.complete))
        for row in (FeatureRow(*values) for values in json.loads(answer))
    ]


Candles = Mapping[Any, tuple[float | int, ...]]


def wait_until_equal(
    found: Callable[[], Candles], expected: Candles, timeout: float, what: str
) -> None:
    """Wait until ``found()`` is ``expected``; AssertionError showing how they differ."""

    def differences() -> list[str]:
        now = found()
        return [
            f"{key}: was {now.get(key)}, expected {expected.get(key)}"
            for key in sorted(expected.keys() | now.keys())
            if now.get(key) != expected.get(key)
        ]

    try:
        wait_until(lambda: not differences(), timeout, what, every=0.5)
    except AssertionError as error:
        left = differences()
        raise AssertionError("\n".join([f"{error}; {len(left)} differ", *left[:12]])) from None


#: Makes a stack from compose files and settings: ``new_stack("docker-compose.yml", RUN_ID="x")``.
StartStack = Callable[..., ComposeStack]


class Simulator:
    """The control interface and REST API of the project's simulated exchange."""

    def __init__(self, stack: ComposeStack) -> None:
        self._http = httpx.Client(base_url=stack.url("exchange-simulator", 8000), timeout=10)

    def advance(self, seconds: float) -> None:
        """Let market time pass at once."""
        self._http.post("/control/advance", params={"seconds": seconds}).raise_for_status()

    def state(self) -> Any:
        """Return what the market and the connections are at."""
        return self._http.get("/control/state").raise_for_status().json()

    def clock_ms(self) -> int:
        """Return the market's time."""
        return int(self.state()["clock_ns"]) // 1_000_000

    def ohlc(self, pair: str) -> list[list[Any]]:
        """Return the exchange's own one-minute candles, as its REST API has them."""
        answer = self._http.get("/0/public/OHLC", params={"pair": pair, "interval": 1})
        result = answer.raise_for_status().json()["result"]
        return next(rows for name, rows in result.items() if name != "last")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
