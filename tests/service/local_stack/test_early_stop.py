"""Every console script ends with exit code 0 when it is stopped while it starts."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.processes import script_path

pytestmark = pytest.mark.service

_SCRIPTS = (
    "trade-producer",
    "trade-replayer",
    "ohlc-aggregator",
    "feature-writer",
    "exchange-simulator",
    "local-stack",
)
# From when Python itself is up to where all modules are loaded.
_DELAYS = (0.15, 0.4, 0.8)


@pytest.mark.parametrize("script", _SCRIPTS)
def test_sigterm_at_start_exits_0(script: str, tmp_path: Path) -> None:
    settings = {
        "KAFKA_BROKER_ADDRESS": "127.0.0.1:1",
        "FROM_DAY": "2023-08-01",
        "LOCAL_BROKER": "noida",
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(tmp_path / "missing"),
    }
    arguments = ["run"] if script == "local-stack" else []
    for delay in _DELAYS:
        process = subprocess.Popen(
            [script_path(script), *arguments],
            env={"PATH": os.environ["PATH"], **settings},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(delay)
        ended = process.poll()
        process.send_signal(signal.SIGINT if delay == _DELAYS[1] else signal.SIGTERM)
        _, shown = process.communicate(timeout=60)
        assert ended is not None or process.returncode == 0, (delay, shown)
        assert "Traceback" not in shown
