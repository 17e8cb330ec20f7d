"""The exchange simulator for tests: in a thread of this process, or as a process of its own.

``start_simulator(simulator_seed=3)`` takes the simulator's settings by name (SIMULATOR_PORT is
``simulator_port``); the simulator is ready when it returns.
"""

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from exchange_simulator.build import build_server
from exchange_simulator.server import Addresses
from exchange_simulator.settings import SimulatorSettings
from ohlc_core.service.settings import load
from support.processes import Script, start_script
from support.wait import wait_until

_DEADLINE = 30.0


class ControlClient:
    """Drives a simulator over ``/control``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = self._connect()

    def _connect(self, transport: httpx.HTTPTransport | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=self._url, timeout=_DEADLINE, trust_env=False, transport=transport
        )

    def come_from(self, address: str) -> None:
        """Connect from this address of the machine's own from now on."""
        self._client.close()
        self._client = self._connect(httpx.HTTPTransport(local_address=address, retries=3))

    def state(self) -> dict[str, Any]:
        """Return products, ids, connections, clock, faults."""
        return self._json(self._client.get("/state"))

    def trades(
        self, product: str, from_id: int | None = None, to_id: int | None = None
    ) -> list[dict[str, Any]]:
        """Return every trade of a product so far, withheld ones too: the whole truth."""
        ends = {"from_id": from_id, "to_id": to_id}
        params = {name: str(value) for name, value in ends.items() if value is not None}
        response = self._client.get("/trades", params={"product": product, **params})
        response.raise_for_status()
        return [json.loads(line) for line in response.text.splitlines()]

    def now_us(self) -> int:
        """Return the simulated clock."""
        return int(self.state()["clock_ns"]) // 1_000

    def ids(self, product: str, *, withheld: bool = True) -> list[int]:
        """Return the ids of every trade so far; without those withheld if so asked."""
        return [
            trade["trade_id"] for trade in self.trades(product) if withheld or not trade["withheld"]
        ]

    def order(self, *faults: dict[str, Any]) -> None:
        """Order faults, e.g. ``{"fault": "drop", "when": "mid_frame"}``."""
        self._json(self._client.post("/faults", json=list(faults)))

    def clear(self) -> None:
        """Forget all faults that are armed or waiting."""
        self._json(self._client.delete("/faults"))

    def pause(self) -> None:
        """Stop simulated time."""
        self._json(self._client.post("/pause"))

    def resume(self) -> None:
        """Let simulated time run, held or paused."""
        self._json(self._client.post("/resume"))

    def advance(self, seconds: float) -> None:
        """Move simulated time ahead."""
        self._json(self._client.post("/advance", params={"seconds": str(seconds)}))

    def wait_exhausted(self, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until a played market's last trade has happened; return the state."""

        def exhausted() -> dict[str, Any] | None:
            state = self.state()
            return state if state["exhausted"] else None

        state = wait_until(exhausted, timeout, "the simulator's trades are exhausted")
        assert state is not None
        return state

    def wait_subscribed(self, product: str, subscribers: int = 1, timeout: float = 30.0) -> None:
        """Wait until a product has at least this many subscribed connections."""
        wait_until(
            lambda: self.state()["products"][product]["subscribers"] >= subscribers,
            timeout,
            f"{subscribers} subscribers of {product}",
        )

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer


class _Thread:
    """A simulator in a thread of this process."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._server = build_server(settings)
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self.addresses: Addresses | None = None
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def start(self) -> Addresses:
        self._thread.start()
        assert self._ready.wait(_DEADLINE), "the simulator did not start"
        if self._failure is not None:
            raise self._failure
        assert self.addresses is not None
        return self.addresses

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(_DEADLINE)
        assert not self._thread.is_alive(), "the simulator did not stop"
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # raised by start()
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        host, port = self._settings.simulator_host, self._settings.simulator_port
        async with self._server.listen(host, port) as self.addresses:
            self._ready.set()
            while not self._stop.is_set():
                self._server.check()
                await asyncio.sleep(0.02)


@dataclass
class Simulator:
    """A running simulator.

    Attributes:
        ws_url, rest_url: for EXCHANGE_WS_URL and EXCHANGE_REST_URL.
        control: orders faults, moves time, knows the truth.
        script: the process, when it is one.
    """

    ws_url: str
    rest_url: str
    control: ControlClient
    script: Script | None
    _thread: _Thread | None

    def stop(self) -> None:
        """Stop it; returns when it is gone."""
        self.control.close()
        if self._thread is not None:
            self._thread.stop()
        if self.script is not None:
            self.script.stop()

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start_simulator(**settings: Any) -> Simulator:
    """Start a simulator in a thread of this process."""
    settings = {"simulator_control": True, **settings}
    thread = _Thread(load(SimulatorSettings, _env_file=None, **settings))
    addresses = thread.start()
    assert addresses.control is not None, "tests need simulator_control"
    return Simulator(
        addresses.websocket, addresses.rest, ControlClient(addresses.control), None, thread
    )


def start_simulator_process(
    folder: Path, bin_folder: Path | None = None, **settings: Any
) -> Simulator:
    """Start the ``exchange-simulator`` command; its log is in ``folder``.

    ``bin_folder`` holds the commands of another version than the one under test.
    """
    settings = {"simulator_control": "true", **settings}
    environment = {name.upper(): _text(value) for name, value in settings.items()}
    script = start_script("exchange-simulator", folder, environment, bin_folder=bin_folder)
    line = script.wait_for_log("exchange-simulator ")
    words = dict(word.split("=", 1) for word in line.split() if "=" in word)
    return Simulator(words["ws"], words["rest"], ControlClient(words["control"]), script, None)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)
