"""The writer's feature groups: wrong files are wrong settings, a feature that hangs is named."""

import threading
from pathlib import Path

import pytest
from loguru import logger

from feature_writer.feature_groups import FeatureWatch, feature_groups
from ohlc_core.errors import SettingsError
from ohlc_core.service.runner import Runtime
from ohlc_features.sql.store import LocalStore

_SHIPPED = Path(__file__).resolve().parents[3] / "features" / "momentum.py"


def test_no_file_means_no_groups() -> None:
    assert feature_groups("") == []


def test_shipped_file_has_one_group() -> None:
    assert [each.group.table for each in feature_groups(str(_SHIPPED))] == ["momentum_1"]


def test_wrong_file_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"FEATURE_DEFINITIONS: .*nowhere.py cannot be read"):
        feature_groups(str(tmp_path / "nowhere.py"))


def test_groups_that_nobody_keeps_up_are_named_in_log_and_status(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'features.db'}"
    shipped = feature_groups(str(_SHIPPED))
    LocalStore.open(url, "ohlc", 1, definitions=shipped).close()
    logged: list[str] = []
    sink = logger.add(logged.append, format="{message}")
    try:
        for definitions, expected in ((shipped, []), ([], ["momentum_1"])):
            runtime = Runtime()
            store = LocalStore.open(url, "ohlc", 1, definitions=definitions)
            FeatureWatch(runtime).note_unmaintained(store)
            store.close()
            works_on = runtime.status.snapshot(runtime.health)["works_on"]
            assert works_on["unmaintained_feature_groups"] == expected
            assert len(logged) == bool(expected)
    finally:
        logger.remove(sink)
    assert "rows of momentum_1, which FEATURE_DEFINITIONS does not define" in logged[0]


def test_feature_that_runs_for_long_is_named_at_status() -> None:
    runtime = Runtime()
    now = [100.0]
    watch = FeatureWatch(runtime, monotonic=lambda: now[0])
    watch.start(feature_groups(str(_SHIPPED)))
    try:
        watch.observer().running("momentum.rsi_14")
        now[0] += 30.5

        progress = runtime.status.snapshot(runtime.health)["progress"]

        assert progress["evaluating"] == "momentum.rsi_14"
        assert progress["evaluating_seconds"] == 30.5
    finally:
        runtime.stop.set()
        for thread in threading.enumerate():
            if thread.name == "features":
                thread.join(5)
