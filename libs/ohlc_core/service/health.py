"""Health is progress: a part is healthy while it has moved within its allowed silence."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest


class Health:
    """Which parts of a service there are, and when each last made progress.

    Args:
        monotonic: seconds from any fixed moment, never going back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._allowed: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._lock = threading.Lock()

    def expect(self, part: str, within_seconds: float) -> None:
        """Declare that ``part`` makes progress at least this often, counted from now."""
        with self._lock:
            self._allowed[part] = within_seconds
            self._last[part] = self._monotonic()

    def progress(self, part: str) -> None:
        """Note that ``part`` moved just now."""
        self._last[part] = self._monotonic()

    def report(self) -> tuple[bool, dict[str, dict[str, float | bool]]]:
        """Return whether every part is healthy, and each part's seconds of silence."""
        now = self._monotonic()
        with self._lock:
            parts: dict[str, dict[str, float | bool]] = {
                part: {
                    "healthy": now - self._last[part] <= allowed,
                    "silent_seconds": round(now - self._last[part], 3),
                    "allowed_seconds": allowed,
                }
                for part, allowed in self._allowed.items()
            }
        return all(bool(part["healthy"]) for part in parts.values()), parts


def serve(
    health: Health, host: str, port: int, registry: CollectorRegistry = REGISTRY
) -> ThreadingHTTPServer:
    """Serve ``/metrics`` (Prometheus text) and ``/health`` (200 or 503, JSON) from a thread.

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/metrics"):
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path.startswith("/health"):
                healthy, parts = health.report()
                body = json.dumps({"healthy": healthy, "parts": parts}).encode()
                self._answer(200 if healthy else 503, "application/json", body)
            else:
                self._answer(404, "text/plain", b"try /metrics or /health\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a scrape every few seconds is no event."""

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
