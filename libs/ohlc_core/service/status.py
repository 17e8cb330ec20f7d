"""What a service says of itself at ``/status``: version, what it works on, state, progress."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ohlc_core.service.health import Health
from ohlc_core.version import __version__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Status:
    """The latest word of a service on itself; written by its loop, read by the HTTP threads.

    Values must be what JSON has. A value is replaced as a whole, never changed in place.

    Attributes:
        service: its console script's name.
    """

    def __init__(self, service: str = "") -> None:
        self.service = service
        self._version = __version__
        self._started_at = _now()
        self._works_on: dict[str, Any] = {}
        self._state = ("starting", "Starting", _now())
        self._progress: dict[str, Any] = {}
        self._figures: Callable[[], dict[str, Any]] = dict
        self._reported_at = _now()

    def works_on(self, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        """Add to what the service works on: products, topics, its store. No secrets."""
        self._works_on = self._works_on | facts

    def say(self, state: str, sentence: str) -> None:
        """Set the state: one word for programs, one sentence for people."""
        since = self._state[2] if self._state[0] == state else _now()
        self._state = (state, sentence, since)
        self._reported_at = _now()

    def progress(self, **figures: Any) -> None:  # noqa: ANN401 - any JSON value
        """Add to, or renew, the figures of progress."""
        self._progress = self._progress | figures
        self._reported_at = _now()

    def progress_from(self, figures: Callable[[], dict[str, Any]]) -> None:
        """Ask for figures of progress at each request, from the HTTP server's threads."""
        self._figures = figures

    def snapshot(self, health: Health) -> dict[str, Any]:
        """Return all of it; where a part is silent for too long, the state is ``stalled``."""
        healthy, parts = health.report()
        state, sentence, since = self._state
        if not healthy:
            silent = ", ".join(
                f"{name} for {part['silent_seconds']:.0f} s"
                for name, part in parts.items()
                if not part["healthy"]
            )
            state, sentence = "stalled", f"Stalled: no progress of {silent}. {sentence}"
        return {
            "service": self.service,
            "version": self._version,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": self._started_at,
            "works_on": self._works_on,
            "state": state,
            "message": sentence,
            "since": since,
            "healthy": healthy,
            "parts": parts,
            "progress": self._progress | self._figures(),
            "reported_at": self._reported_at,
            "now": _now(),
        }
