"""What a run goes on without."""

import sys
from pathlib import Path

from local_stack.pipeline import Pipeline
from local_stack.processes import ManagedProcess
from local_stack.run_folder import RunFolder
from local_stack.services import Service
from local_stack.settings import StackSettings
from ohlc_core.service.settings import load


def test_end_of_the_dashboard_is_said_once_and_the_run_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    folder = RunFolder(tmp_path, "demo")
    pipeline = Pipeline(folder, load(StackSettings, _env_file=None), said.append)
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    process = ManagedProcess("dashboard", command, folder.logs / "dashboard.log")
    pipeline.start_beside(Service(process, 0))
    process.wait(20)
    pipeline.check()
    pipeline.check()
    assert len(said) == 1
    assert said[0].startswith("dashboard ended with exit code 3; the run goes on without it. Log:")
