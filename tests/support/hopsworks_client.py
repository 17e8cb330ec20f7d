"""The environment that holds the real Hopsworks client, apart from the tests' own."""

from pathlib import Path

import pytest

_VENV = Path(__file__).resolve().parents[2] / ".venv-hopsworks"


def hopsworks_script(name: str) -> Path:
    """Return a console script of the environment with the client; skip the test without it."""
    path = _VENV / "bin" / name
    if not path.exists():
        pytest.skip(f"needs the Hopsworks client in {_VENV.name}; run: make hopsworks-client")
    return path
