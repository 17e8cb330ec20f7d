"""The services of a local run: their console scripts, settings and logs."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from local_stack.errors import StackError
from local_stack.processes import ManagedProcess, OnScreen
from local_stack.run_folder import RunFolder


class Service(NamedTuple):
    """A service of the run.

    Attributes:
        process: not started yet.
        metrics_port: of its ``/metrics`` and ``/health``.
    """

    process: ManagedProcess
    metrics_port: int

    @property
    def name(self) -> str:
        """Its console script's name."""
        return self.process.name

    @property
    def metrics_url(self) -> str:
        """Its address for a person or a Prometheus server."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"


def service(
    script: str,
    folder: RunFolder,
    settings: Mapping[str, str],
    metrics_port: int,
    on_screen: OnScreen = "nothing",
) -> Service:
    """Prepare a console script with the user's environment and ``settings`` over it.

    ``on_screen`` is what goes to the terminal instead of the log file.
    """
    # What is on the screen is the run's; logs in files need no colours.
    environment = {**os.environ, "NO_COLOR": "1", "METRICS_PORT": str(metrics_port), **settings}
    process = ManagedProcess(
        script,
        [_script_path(script, environment.get("FEATURE_STORE", ""))],
        folder.logs / f"{script}.log",
        env=environment,
        on_screen=on_screen,
    )
    return Service(process, metrics_port)


def hopsworks_python() -> Path | None:
    """Return the interpreter of `make hopsworks-client`, beside this one; None without it."""
    found = Path(sys.prefix).with_name(".venv-hopsworks") / "bin" / "python"
    return found if found.exists() else None


def _script_path(script: str, feature_store: str) -> str:
    beside = Path(sys.executable).with_name(script)
    if script == "feature-writer" and feature_store == "hopsworks" and (own := hopsworks_python()):
        beside = own.with_name(script)
    found = str(beside) if beside.exists() else shutil.which(script)
    if found is None:
        raise StackError(f"the console script {script} is not installed; run `make install`")
    return found
