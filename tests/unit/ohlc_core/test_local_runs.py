"""Commands without a store of their own read that of the newest local run."""

import json
import os
from pathlib import Path

from ohlc_core.service.local_runs import running_stacks, use_running_store


def _publish(root: Path, name: str, **facts: object) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "stack.json").write_text(json.dumps({"pid": os.getpid(), "mode": name, **facts}))


def test_running_store_is_used_where_none_was_named(tmp_path: Path) -> None:
    settings = {"FEATURE_STORE_URL": "sqlite:////x/features.db", "OHLC_INTERVALS": "10s"}
    _publish(tmp_path, "demo", store="x", settings=settings)
    environment = {"LOCAL_STACK_FOLDER": str(tmp_path), "OHLC_INTERVALS": "1m"}
    assert use_running_store((), environment) == "reading the store of the running demo: x"
    assert environment["FEATURE_STORE_URL"] == "sqlite:////x/features.db"
    assert environment["OHLC_INTERVALS"] == "1m"


def test_named_store_wins_over_running_one(tmp_path: Path) -> None:
    _publish(tmp_path, "demo", settings={"FEATURE_STORE_URL": "sqlite:////x/features.db"})
    environment = {"LOCAL_STACK_FOLDER": str(tmp_path)}
    assert use_running_store({"feature_store_url"}, environment) == ""
    assert "FEATURE_STORE_URL" not in environment


def test_damaged_files_of_runs_are_passed_over(tmp_path: Path) -> None:
    _publish(tmp_path, "run")
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"pid": "1"}'), ("d", '{"pid": -1}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stack.json").write_text(text)
    assert [stack["mode"] for stack in running_stacks(tmp_path)] == ["run"]
