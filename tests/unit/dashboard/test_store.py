"""What the dashboard says of a store that it cannot read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dashboard.settings import DashboardSettings
from dashboard.store import Store, StoreAwayError
from ohlc_core.service.settings import load


def test_tables_of_an_older_version_are_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "features.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE ohlc_1 (exchange TEXT)")
    settings = load(DashboardSettings, _env_file=None, feature_store_url=f"sqlite:///{path}")
    store = Store(settings)
    for _ in range(2):
        with pytest.raises(StoreAwayError, match=r"table ohlc_1 exists .* FEATURE_GROUP_VERSION"):
            store.catalogue()
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE ohlc_1")
    with pytest.raises(StoreAwayError, match="no such table"):
        store.catalogue()
    store.close()
