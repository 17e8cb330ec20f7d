"""Verification reads Hopsworks' offline rows as it reads the local store's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ohlc_backfill.verification.compare import ProductComparer
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_backfill.verification.stored import StoredCandles, stored_candles
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_features.hopsworks.reader import HopsworksSource
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.store import LocalStore
from ohlc_history.sources.base import SourceError
from ohlc_history.trade_table import table_of
from support.candle_records import MONDAY_MS, candle
from support.candles import KEY, MINUTE, SECOND, T0, Driver, rules, trade
from support.played_feature_group import PlayedGroup, PlayedSession

BTC = ProductKey("kraken", "BTC/USD")
CANDLES = [
    *(candle(n, product_id=p) for p in ("BTC/USD", "ETH/USD") for n in range(6)),
    candle(9, first_trade_id=None, last_trade_id=None),
]


def rows_of(group: PlayedGroup) -> StoredCandles:
    return StoredCandles(HopsworksSource(group, PlayedSession()))


@pytest.fixture
def local(tmp_path: Path) -> Iterator[StoredCandles]:
    url = f"sqlite:///{tmp_path}/features.db"
    store = LocalStore.open(url, "ohlc", 1)
    store.write(CANDLES)
    store.close()
    settings = FeatureStoreSettings(_env_file=None, feature_store_url=url)  # type: ignore[call-arg]
    with stored_candles(settings) as opened:
        yield opened


@pytest.mark.parametrize(("first", "end"), [(0, 12), (1, 4), (4, 10), (6, 9), (20, 30)])
def test_ranges_are_the_local_stores(local: StoredCandles, first: int, end: int) -> None:
    span = MONDAY_MS + first * 60_000, MONDAY_MS + end * 60_000
    found = local.between(BTC, "1m", *span)
    assert all(row.stored_at for row in found)
    unstamped = [row._replace(stored_at=0) for row in found]
    assert rows_of(PlayedGroup(CANDLES)).between(BTC, "1m", *span) == unstamped


def test_ranges_that_follow_each_other_cost_one_query() -> None:
    group = PlayedGroup(CANDLES)
    rows = rows_of(group)
    found = [
        row
        for minute in range(10)
        for row in rows.between(
            BTC, "1m", MONDAY_MS + minute * 60_000, MONDAY_MS + (minute + 1) * 60_000
        )
    ]
    assert len(found) == 7
    assert group.reads == 1


def test_equal_candles_are_verified_and_a_lost_row_is_missing() -> None:
    driver = Driver(rules("1m", "5m"))
    trades = [trade(number, T0 + number * 20 * SECOND) for number in range(1, 90)]
    end = T0 + 30 * MINUTE
    candles = driver.start(T0) + driver.trades(*trades) + driver.watermark(end, final=True)
    intervals = [Interval.parse(text) for text in ("1m", "5m")]
    for kept, missing in ((candles, 0), (candles[1:], 1)):
        comparer = ProductComparer(
            rows_of(PlayedGroup(kept)), ExpectedRows(KEY, intervals, T0, end)
        )
        comparer.add(comparer.rows.add(table_of(trades)))
        verdicts = comparer.finish()
        assert sum(each.missing for each in verdicts) == missing
        assert all(each.is_equal for each in verdicts) == (missing == 0)
        assert sum(each.matching for each in verdicts) == len(kept)


def test_what_the_store_holds_must_be_said() -> None:
    with pytest.raises(SourceError, match="set FROM_DAY and TO_DAY"):
        rows_of(PlayedGroup(CANDLES)).span(BTC)


def test_an_unreachable_cluster_is_reported_in_one_line() -> None:
    group = PlayedGroup(CANDLES)
    group.error = requests.exceptions.ConnectionError("reset by peer")
    with pytest.raises(SourceError, match="Hopsworks at cluster cannot be reached"):
        rows_of(group).between(BTC, "1m", MONDAY_MS, MONDAY_MS + 60_000)
