from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_stack import resume_after_store
from local_stack.resume_after_store import Beginning, beginning
from local_stack.settings import StackSettings
from ohlc_core.service.settings import load
from ohlc_features.sql.store import LocalStore
from support.candles import MINUTE, T0, Driver, rules, trade

END = datetime.fromtimestamp((T0 + 10 * MINUTE) / 1e6, UTC)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and environment without settings, and a topic without records."""
    monkeypatch.chdir(tmp_path)
    for name in ("START_FROM", "FEATURE_STORE", "EXCHANGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FEATURE_STORE_URL", f"sqlite:///{tmp_path}/features.db")
    monkeypatch.setenv("OHLC_INTERVALS", "1m,5m")
    monkeypatch.setenv("PRODUCT_IDS", "BTC/USD,ETH/USD")
    monkeypatch.setattr(resume_after_store, "_is_empty", lambda _kafka, _topic: True)


@pytest.fixture
def filled(tmp_path: Path) -> None:
    """A store whose last five minutes end at END, and a later minute."""
    driver = Driver(rules("1m", "5m"))
    candles = driver.start(T0)
    candles += driver.trades(*(trade(n, T0 + n * MINUTE) for n in range(12)))
    candles += driver.watermark(T0 + 12 * MINUTE, final=True)
    store = LocalStore.open(f"sqlite:///{tmp_path}/features.db", "ohlc", 1)
    store.write([candle for candle in candles if candle.complete])
    store.close()


def begins(now: datetime) -> Beginning:
    settings = load(StackSettings)
    return beginning(settings, settings, now)


@pytest.mark.usefixtures("filled")
def test_live_begins_where_the_longest_interval_of_the_store_ends() -> None:
    found = begins(END + timedelta(days=6))
    assert found.settings == {"START_FROM": END.isoformat()}
    assert "where the store ends" in found.note


@pytest.mark.usefixtures("filled")
def test_a_long_hole_is_left_to_a_backfill_and_reported() -> None:
    found = begins(END + timedelta(days=30))
    assert found.settings == {}
    assert f"from_day={END.date()} make backfill" in found.note


@pytest.mark.usefixtures("filled")
def test_a_topic_that_goes_on_decides_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume_after_store, "_is_empty", lambda _kafka, _topic: False)
    assert begins(END + timedelta(days=1)) == Beginning({})


@pytest.mark.usefixtures("filled")
def test_the_users_start_from_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("START_FROM", "now")
    assert begins(END + timedelta(days=1)) == Beginning({})


def test_without_a_store_nothing_is_decided() -> None:
    assert begins(END) == Beginning({})
