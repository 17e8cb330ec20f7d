"""The warnings and errors in services' logs, as they are written."""

import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_LEVELS = ("WARNING", "ERROR", "CRITICAL")
_TEXT_LINE = re.compile(rf"\S+Z ({'|'.join(_LEVELS)})\s+([\w-]+): (.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_AGAIN_AFTER_SECONDS = 60.0
_FOLLOWED_BYTES = 256 * 1024


class WarningLines:
    """Follows log files; a message that repeats but for its numbers is given once a minute.

    Args:
        logs: the files; those that do not exist yet are waited for.
        monotonic: seconds from any fixed moment, never going back.
    """

    def __init__(
        self, logs: Iterable[Path], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._position = {log: log.stat().st_size if log.exists() else 0 for log in logs}
        self._monotonic = monotonic
        self._told: dict[str, float] = {}

    def new(self) -> list[str]:
        """Return ``service: message`` for each warning or error written since the last call."""
        return [
            warning
            for log in self._position
            for line in self._lines(log)
            if (warning := _warning(line)) is not None and self._is_news(warning)
        ]

    def _lines(self, log: Path) -> list[str]:
        if not log.exists():
            return []
        with log.open("rb") as file:
            if log.stat().st_size < self._position[log]:
                self._position[log] = 0  # it was rotated
            file.seek(self._position[log])
            chunk = file.read(_FOLLOWED_BYTES)
        whole, newline, rest = chunk.rpartition(b"\n")
        is_endless_line = not newline and len(chunk) == _FOLLOWED_BYTES
        self._position[log] += len(rest) if is_endless_line else len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()

    def _is_news(self, warning: str) -> bool:
        now = self._monotonic()
        kind = _NUMBER.sub("#", warning)
        if ": .env sets " in kind:
            kind = kind.partition(": ")[2]  # each service reads the same file
        if now - self._told.get(kind, -_AGAIN_AFTER_SECONDS) < _AGAIN_AFTER_SECONDS:
            return False
        self._told[kind] = now
        return True


def _warning(line: str) -> str | None:
    if line.startswith("{"):
        return _json_warning(line)
    match = _TEXT_LINE.match(_COLOUR.sub("", line))
    return f"{match[2]}: {match[3]}" if match else None


def _json_warning(line: str) -> str | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("level") not in _LEVELS:
        return None
    return f"{record.get('service', '?')}: {record.get('message', '')}"
