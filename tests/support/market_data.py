"""Recorded market data beside the checkout; tests that need it skip loudly where it is absent."""

from pathlib import Path

import pytest

MARKET_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "market"


def market_file(name: str) -> Path:
    """Return the path of a recording, e.g. ``kraken/ws_v2/<file>``; skip the test without it."""
    path = MARKET_DATA / name
    if not path.exists():
        pytest.skip(f"recorded market data is absent: {path}")
    return path
