"""Every console script ends with exit code 0 when it is stopped while it starts."""

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from support.processes import script_path
from support.wait import wait_until

pytestmark = pytest.mark.service

_SCRIPTS = (
    "trade-producer",
    "trade-replayer",
    "ohlc-aggregator",
    "feature-writer",
    "exchange-simulator",
    "local-stack",
)
# From when the script's first lines have run to where all modules are loaded.
_DELAYS = (0.0, 0.25, 0.65)


@pytest.mark.parametrize("script", _SCRIPTS)
def test_sigterm_at_start_exits_0(script: str, tmp_path: Path) -> None:
    # Whatever ends by itself could do so in the moment of the signal: nothing may be wrong but the
    # broker, which is waited for.
    (tmp_path / "XBTUSD.csv").write_text("1690848000,29000.1,0.5\n")
    settings = {
        "KAFKA_BROKER_ADDRESS": "127.0.0.1:1",
        "FROM_DAY": "2023-08-01",
        "LOCAL_BROKER": "noida",
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(tmp_path),
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
        wait_until(partial(_handles_sigterm, process), 30, f"{script} to begin", every=0.005)
        time.sleep(delay)
        ended = process.poll()
        process.send_signal(signal.SIGINT if delay == _DELAYS[1] else signal.SIGTERM)
        _, shown = process.communicate(timeout=60)
        assert ended is not None or process.returncode == 0, (delay, shown)
        assert "Traceback" not in shown


def _handles_sigterm(process: subprocess.Popen[str]) -> bool:
    """Return whether the process has a handler of its own, or has ended.

    Before, Python itself is still starting, which nothing of ours can change.
    """
    if process.poll() is not None:
        return True
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return True
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
