"""What a model was served can be read back, moment by moment."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ohlc_core.domain.candle import Candle
from ohlc_features.reading import FeatureReader
from ohlc_features.schema import Origin
from ohlc_features.sql.store import LocalStore
from support.candle_records import MONDAY_MS, candle

Write = Callable[..., None]

_LATER = MONDAY_MS + 3_600_000


class Written:
    """A store whose clock the test sets; what `latest` gave is noted after each write."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self.now = _LATER
        self.samples: list[tuple[int, float | None]] = []

    def write(self, at: int, *candles: Candle, origin: Origin = "live") -> None:
        """Write at ``at`` ms after `_LATER`, and see what is served from then on."""
        self.now = _LATER + at
        store = LocalStore.open(self.url, "ohlc", 1, origin=origin, now_ms=lambda: self.now)
        store.write(candles)
        store.close()
        with FeatureReader.open(self.url) as reader:
            newest = reader.latest("kraken", "BTC/USD", "1m")
        self.samples.append((self.now + 100, newest["close"].item() if newest.height else None))

    def served(self, *moments: int, columns: str = "close") -> list[object]:
        labels = pl.DataFrame({"product_id": ["BTC/USD"] * len(moments), "time": list(moments)})
        with FeatureReader.open(self.url) as reader:
            return reader.as_of(labels, "kraken", "1m", columns=columns, served=True)[
                columns
            ].to_list()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "features.db")


def test_every_sample_of_latest_is_what_was_served_then(written: Written) -> None:
    written.write(1_000, candle(0, close="1"))
    written.write(2_000, candle(1, close="2"))
    written.write(3_000, candle(1, close="3", revision=1))  # a correction of the newest window
    written.write(4_000, candle(0, close="9", revision=1))  # and of an older one
    written.write(5_000, candle(1, complete=False, revision=2))  # a gap: back to window 0
    written.write(6_000, candle(2, close="5"))
    written.write(7_000, candle(1, close="6"), candle(2, close="7"), origin="backfill")
    assert [close for _, close in written.samples] == [1, 2, 3, 3, 9, 5, 7]
    moments = [moment for moment, _ in written.samples]
    assert written.served(*moments) == [close for _, close in written.samples]


def test_nothing_is_served_before_it_was_stored_however_old_its_window(written: Written) -> None:
    written.write(1_000, candle(0, close="1"), origin="backfill")
    assert written.served(MONDAY_MS + 120_000, _LATER + 1_000, _LATER + 1_100) == [None, None, 1]


def test_store_without_a_complete_row_serves_nothing(written: Written) -> None:
    written.write(1_000, candle(0, close="1"))
    written.write(2_000, candle(0, complete=False, revision=1))
    assert written.served(_LATER + 1_500, _LATER + 2_500) == [1, None]


def test_rows_of_many_columns_and_products_are_joined(written: Written) -> None:
    written.write(1_000, candle(0, close="1"), candle(0, product_id="ETH/USD", close="8"))
    labels = pl.DataFrame({"product_id": ["ETH/USD", "BTC/USD"], "time": [_LATER + 2_000] * 2})
    with FeatureReader.open(written.url) as reader:
        joined = reader.as_of(labels, "kraken", "1m", served=True)
        assert joined["close"].to_list() == [8, 1]
        assert {"window_start", "window_end", "origin", "stored_at"} <= set(joined.columns)
        with pytest.raises(ValueError, match="leave delay out"):
            reader.as_of(labels, "kraken", "1m", served=True, delay=0)
