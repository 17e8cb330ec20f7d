"""Logs of a run stay small: a full one is copied aside and begun again."""

import shutil
from collections.abc import Iterable
from pathlib import Path

_MAX_BYTES = 20 * 1024 * 1024
_KEPT = 2


def rotate(logs: Iterable[Path], max_bytes: int = _MAX_BYTES) -> None:
    """Copy each log over ``max_bytes`` to ``<log>.1`` (the one before to ``.2``) and empty it.

    The process that writes it keeps its file: it appends, so it goes on at the new beginning.
    """
    for log in logs:
        try:
            if log.stat().st_size <= max_bytes:
                continue
            for number in range(_KEPT, 1, -1):
                older = log.with_name(f"{log.name}.{number - 1}")
                if older.exists():
                    older.replace(log.with_name(f"{log.name}.{number}"))
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            with log.open("r+b") as file:
                file.truncate()
        except OSError:
            continue  # a full disk, or a log not there yet: the next look tries again
