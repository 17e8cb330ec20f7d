"""``/metrics`` (Prometheus text), ``/health`` (200 or 503, JSON) and ``/status`` (JSON).

A client that connects and sends nothing holds a thread. So connections are bounded, in time and in
number; the oldest is closed for a new one, and the service answers whoever asks.
"""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from ohlc_core.service.health import Health
from ohlc_core.service.status import Status

_REQUEST_SECONDS = 10.0
_MAX_CONNECTIONS = 64


class MonitoringServer(ThreadingHTTPServer):
    """The service's pages, each request in a thread of its own."""

    daemon_threads = True
    request_queue_size = 1_024

    def __init__(
        self, address: tuple[str, int], health: Health, status: Status, registry: CollectorRegistry
    ) -> None:
        self.health = health
        self.status = status
        self.registry = registry
        self._connections: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - base class
        """Serve the connection; where there are too many, close the oldest."""
        with self._lock:
            self._connections[request] = None
            oldest = next(iter(self._connections))
            if len(self._connections) > _MAX_CONNECTIONS:
                del self._connections[oldest]
                _wake(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - base class
        """Forget the connection and close it."""
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - base class
        """Say nothing: a client that goes away in the middle is no event."""


def _wake(connection: socket.socket) -> None:
    """End the connection; its thread, which waits for a request, returns."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS
    server: MonitoringServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self.server.registry))
        elif path == "/health":
            healthy, parts = self.server.health.report()
            self._json(200 if healthy else 503, {"healthy": healthy, "parts": parts})
        elif path == "/status":
            self._json(200, self.server.status.snapshot(self.server.health))
        else:
            self._answer(404, "text/plain", b"try /metrics, /health or /status\n")

    def _json(self, status: int, value: object) -> None:
        body = json.dumps(value, default=str, ensure_ascii=False).encode()
        self._answer(status, "application/json", body)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no event."""


def serve(
    health: Health,
    host: str,
    port: int,
    registry: CollectorRegistry = REGISTRY,
    status: Status | None = None,
) -> MonitoringServer:
    """Serve the pages from a thread.

    Raises:
        OSError: the port is taken.
    """
    server = MonitoringServer((host, port), health, status or Status(), registry)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
