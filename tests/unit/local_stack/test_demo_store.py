"""Simulated candles never mix with real ones."""

from pathlib import Path

import pytest

from local_stack.demo_store import prepare_demo_store, set_demo_store_aside
from local_stack.settings import StackSettings
from ohlc_core.service.settings import load


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FEATURE_STORE", "FEATURE_STORE_URL"):
        monkeypatch.delenv(name, raising=False)


def _store() -> Path:
    store = Path("data/features.db")
    store.parent.mkdir(exist_ok=True)
    return store


def test_a_demo_uses_the_default_store_where_there_is_none() -> None:
    assert prepare_demo_store(load(StackSettings)) == ("sqlite:///data/features.db", "")


def test_a_demo_leaves_real_candles_alone() -> None:
    _store().write_text("real")
    url, note = prepare_demo_store(load(StackSettings))
    assert url == "sqlite:///data/demo-features.db"
    assert "holds real candles" in note
    assert _store().read_text() == "real"


def test_the_next_demo_begins_with_an_empty_store() -> None:
    prepare_demo_store(load(StackSettings))
    _store().write_text("simulated")
    assert prepare_demo_store(load(StackSettings)) == ("sqlite:///data/features.db", "")
    assert not _store().exists()
    assert Path("data/old-demo-features.db").read_text() == "simulated"


def test_real_candles_do_not_go_into_a_demos_store() -> None:
    prepare_demo_store(load(StackSettings))
    _store().write_text("simulated")
    Path("data/features.db-wal").write_text("simulated too")
    assert "simulated candles" in set_demo_store_aside(load(StackSettings))
    assert not _store().exists()
    assert not Path("data/features.db-wal").exists()
    assert Path("data/old-demo-features.db-wal").read_text() == "simulated too"
    assert set_demo_store_aside(load(StackSettings)) == ""


def test_a_real_store_stays_where_it_is() -> None:
    _store().write_text("real")
    assert set_demo_store_aside(load(StackSettings)) == ""
    assert _store().read_text() == "real"


def test_a_store_the_user_names_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURE_STORE_URL", "sqlite:///data/features.db")
    _store().write_text("whatever")
    assert prepare_demo_store(load(StackSettings)) == ("sqlite:///data/features.db", "")
    assert set_demo_store_aside(load(StackSettings)) == ""
    assert _store().read_text() == "whatever"
