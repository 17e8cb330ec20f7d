"""``dashboard``: serves the page until stopped."""

import asyncio
import contextlib
import os
import socket
import sys
import threading
from typing import NoReturn

import uvicorn
from loguru import logger

from dashboard.app import Dashboard
from dashboard.market import Market
from dashboard.services import Services
from dashboard.settings import DashboardSettings
from dashboard.store import Store
from dashboard.tail import Tails
from ohlc_core.errors import SettingsError
from ohlc_core.service.runner import Runtime, run_service

_TRIED_PORTS = 20
_OWN_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> NoReturn:
    """Run the service; exits the process.

    It has written nothing, so nothing is to be waited for: the Kafka client's threads and the
    store's would keep the process for up to a second.
    """
    try:
        run_service("dashboard", DashboardSettings, run)
    except SystemExit as end:
        logger.complete()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


def run(settings: DashboardSettings, runtime: Runtime) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: the address cannot be used.
    """
    listening = _listen(settings)
    port = listening.getsockname()[1]
    address = f"http://{_shown(settings.dashboard_host)}:{port}/"
    market = Market(settings.ohlc_intervals)
    tails = Tails(settings, market, runtime.stop)
    store = Store(settings)
    runtime.status.works_on(address=address, store=store.name, broker=settings.kafka_broker_address)
    tails.start()
    server = Server(settings, listening, market, tails, store)
    server.start()
    sys.stdout.write(f"dashboard {address}\n")
    sys.stdout.flush()
    if settings.dashboard_host not in _LOOPBACK:
        logger.warning(
            "DASHBOARD_HOST={} lets other machines read everything shown, without a password",
            settings.dashboard_host,
        )
    runtime.status.say("live", f"Serving {address}")
    runtime.stop.wait()
    server.stop()
    tails.join(0.2)  # it only reads: nothing is lost where the broker keeps it waiting
    logger.info("stopped")


class Server:
    """uvicorn in a thread: the signals stay with the service's frame.

    Open event streams end first; else uvicorn would wait for their clients to go.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        listening: socket.socket,
        market: Market,
        tails: Tails,
        store: Store,
    ) -> None:
        hosts = [*_OWN_HOSTS, settings.dashboard_host, *settings.dashboard_allowed_hosts]
        self._listening = listening
        self._store = store
        self._dashboard = Dashboard(market, tails, Services(settings), store, hosts)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._dashboard.app,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=30,
                limit_concurrency=256,
            )
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End the open streams, then the server."""
        self._server.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._dashboard.closing.set)
        self._thread.join(3.0)
        if not self._thread.is_alive():
            self._loop.close()
        self._listening.close()
        self._store.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._listening]))


def _listen(settings: DashboardSettings) -> socket.socket:
    """Return a listening socket at DASHBOARD_PORT, or the next free port behind it."""
    first = settings.dashboard_port
    reason = ""
    family = socket.AF_INET6 if ":" in settings.dashboard_host else socket.AF_INET
    for port in range(first, min(first + _TRIED_PORTS, 65_536)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.dashboard_host, port))
            listening.listen(256)
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
        else:
            if first and port != first:
                logger.info("port {} is taken; the dashboard is at {}", first, port)
            return listening
    raise SettingsError(
        f"DASHBOARD_HOST={settings.dashboard_host} DASHBOARD_PORT={first} ({reason}); "
        "allowed: an address of this machine and a free port, or 0 for any"
    )


def _shown(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


if __name__ == "__main__":
    main()
