"""Stores with known candles."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ohlc_core.domain.candle import Candle
from ohlc_features.reading import FeatureReader
from ohlc_features.sql.store import LocalStore

#: Writes candles into this test's store and returns a reader of it.
Stored = Callable[..., FeatureReader]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    """Write candles into this test's store and return a reader of it."""
    url = f"sqlite:///{tmp_path}/features.db"

    def write(*candles: Candle) -> FeatureReader:
        store = LocalStore.open(url, "ohlc", 1)
        store.write(candles)
        store.close()
        return FeatureReader.open(url)

    return write
