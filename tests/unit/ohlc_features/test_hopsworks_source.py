"""Hopsworks is read with the same calls and gives the same frames as the local store."""

from collections.abc import Callable

import polars as pl
import pytest
import requests

from ohlc_core.domain.candle import Candle
from ohlc_features.errors import StoreUnavailableError
from ohlc_features.hopsworks.reader import HopsworksSource
from ohlc_features.reading import FeatureReader
from support.candle_records import MONDAY_MS, candle
from support.played_feature_group import PlayedGroup, PlayedSession

Stored = Callable[..., FeatureReader]


def _candles() -> list[Candle]:
    return [
        *(candle(n, product_id=p) for p in ("BTC/USD", "ETH/USD") for n in range(6)),
        candle(9, first_trade_id=None, last_trade_id=None),
    ]


@pytest.fixture
def both(stored: Stored) -> tuple[FeatureReader, FeatureReader]:
    candles = _candles()
    return stored(*candles), FeatureReader(HopsworksSource(PlayedGroup(candles), PlayedSession()))


def test_every_call_gives_the_frame_the_local_store_gives(
    both: tuple[FeatureReader, FeatureReader],
) -> None:
    labels = pl.DataFrame(
        {"product_id": ["BTC/USD", "ETH/USD"], "time": [MONDAY_MS + 150_000, MONDAY_MS]}
    )
    start, end = MONDAY_MS + 60_000, MONDAY_MS + 12 * 60_000
    calls: list[Callable[[FeatureReader], pl.DataFrame]] = [
        lambda reader: reader.candles("kraken", None, "1m"),
        lambda reader: reader.candles("kraken", "BTC/USD", "1m", start, end),
        lambda reader: reader.candles("kraken", "BTC/USD", "1m", start, end, fill_gaps=True),
        lambda reader: reader.candles("coinbase", None, "1m"),
        lambda reader: reader.latest("kraken", None, "1m"),
        lambda reader: reader.latest("kraken", ["ETH/USD"], "1m"),
        lambda reader: reader.as_of(labels, "kraken", "1m"),
    ]
    for call in calls:
        frames = [call(each).drop("stored_at", strict=False) for each in both]
        assert frames[0].equals(frames[1])


def test_broken_connection_is_reported_as_unavailable() -> None:
    group = PlayedGroup(_candles())

    group.error = requests.exceptions.ConnectionError("reset by peer")
    reader = FeatureReader(HopsworksSource(group, PlayedSession()))
    with pytest.raises(StoreUnavailableError, match="Hopsworks at cluster cannot be reached"):
        reader.latest("kraken", None, "1m")


def test_closing_the_reader_logs_out() -> None:
    session = PlayedSession()
    FeatureReader(HopsworksSource(PlayedGroup(_candles()), session)).close()
    assert session.is_closed
