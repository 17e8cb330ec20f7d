"""What a service writes is readable by its user only."""

import os
import sys
from pathlib import Path

import pytest

from ohlc_core.service.runner import Runtime, run_service
from ohlc_core.service.setting_groups import ObservabilitySettings


def test_files_and_folders_of_a_service_are_its_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["service"])

    def run(_settings: ObservabilitySettings, _runtime: Runtime) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "features.db").touch()

    before = os.umask(0o022)
    try:
        with pytest.raises(SystemExit):
            run_service("service", ObservabilitySettings, run)
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "features.db").stat().st_mode & 0o777 == 0o600
