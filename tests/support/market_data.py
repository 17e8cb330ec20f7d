"""Recorded market data beside the checkout; tests that need it skip loudly where it is absent.

It is looked for in the folder MARKET_DATA names, else in ``../shared/data/market`` beside the
repository.
"""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "market"
MARKET_DATA = Path(os.environ.get("MARKET_DATA") or _BESIDE).resolve()


def market_file(name: str) -> Path:
    """Return the path of a recording, e.g. ``kraken/ws_v2/<file>``; skip the test without it."""
    path = MARKET_DATA / name
    if not path.exists():
        pytest.skip(f"recorded market data is absent: {path}; set MARKET_DATA to its folder")
    return path
