"""What was measured, as docs/claims.json keeps it."""

import msgspec

from benchmarks.claims.machine import Machine
from benchmarks.claims.model import ROOT

STORED = ROOT / "docs" / "claims.json"


class Result(msgspec.Struct):
    """A command's runs: for each claim the figures, run by run."""

    date: str
    commit: str
    machine: Machine
    command: str
    figures: dict[str, list[float]]


def load() -> dict[str, Result]:
    """Return the results by command."""
    if not STORED.exists():
        return {}
    return msgspec.json.decode(STORED.read_bytes(), type=dict[str, Result])


def save(results: dict[str, Result]) -> None:
    """Keep the results."""
    text = msgspec.json.encode(dict(sorted(results.items())))
    STORED.write_bytes(msgspec.json.format(text, indent=2) + b"\n")
