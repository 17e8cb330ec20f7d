"""Hopsworks is read with the same calls and gives the same frames as the local store."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
import polars as pl
import pytest
import requests

from ohlc_core.domain.candle import Candle
from ohlc_features.columns import COLUMNS, feature_row
from ohlc_features.errors import StoreUnavailableError
from ohlc_features.reading import FeatureReader
from ohlc_features.reading.hopsworks_source import HopsworksSource
from support.candle_records import MONDAY_MS, candle

Stored = Callable[..., FeatureReader]
Rows = Callable[[pd.DataFrame], Any]


class Condition:
    """A filter on a frame, combined with ``&`` as the client's are."""

    def __init__(self, keep: Rows) -> None:
        self.keep = keep

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(lambda frame: self.keep(frame) & other.keep(frame))


class Feature:
    """A column that compares into conditions."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return Condition(lambda frame: frame[self._name] == value)

    __hash__ = None  # type: ignore[assignment]

    def __ge__(self, value: int) -> Condition:
        return Condition(lambda frame: frame[self._name] >= value)

    def __lt__(self, value: int) -> Condition:
        return Condition(lambda frame: frame[self._name] < value)

    def __le__(self, value: int) -> Condition:
        return Condition(lambda frame: frame[self._name] <= value)

    def isin(self, values: Sequence[str]) -> Condition:
        return Condition(lambda frame: frame[self._name].isin(values))


class Group:
    """A feature group with offline and online rows."""

    def __init__(self, candles: Iterable[Candle]) -> None:
        rows = [feature_row(each) for each in candles]
        # Neither store keeps an order, and columns may come in any.
        self.offline = pd.DataFrame(rows[::-1], columns=list(COLUMNS))[sorted(COLUMNS)]
        newest = self.offline.sort_values("window_end").groupby("product_id").tail(1)
        self.online = newest.reset_index(drop=True)
        self.error: Exception | None = None
        self._columns: list[str] = []
        self._condition: Condition | None = None

    def __getitem__(self, name: str) -> Feature:
        return Feature(name)

    def select_all(self) -> "Group":
        return self.select(sorted(COLUMNS))

    def select(self, columns: list[str]) -> "Group":
        self._columns = columns
        return self

    def filter(self, condition: Condition) -> "Group":
        self._condition = condition
        return self

    def read(self, *, online: bool, dataframe_type: str) -> pd.DataFrame:
        assert dataframe_type == "pandas"
        if self.error is not None:
            raise self.error
        frame = self.online if online else self.offline
        assert self._condition is not None
        return frame[self._condition.keep(frame)][self._columns].reset_index(drop=True)


class Session:
    """A login."""

    host, project = "cluster", "demo"
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def _candles() -> list[Candle]:
    return [
        *(candle(n, product_id=p) for p in ("BTC/USD", "ETH/USD") for n in range(6)),
        candle(9, first_trade_id=None, last_trade_id=None),
    ]


@pytest.fixture
def both(stored: Stored) -> tuple[FeatureReader, FeatureReader]:
    candles = _candles()
    return stored(*candles), FeatureReader(HopsworksSource(Group(candles), Session()))


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
    local, hopsworks = both
    for call in calls:
        assert call(hopsworks).equals(call(local))


def test_broken_connection_is_told_as_unavailable() -> None:
    group = Group(_candles())

    group.error = requests.exceptions.ConnectionError("reset by peer")
    reader = FeatureReader(HopsworksSource(group, Session()))
    with pytest.raises(StoreUnavailableError, match="Hopsworks at cluster can not be reached"):
        reader.latest("kraken", None, "1m")


def test_closing_the_reader_logs_out() -> None:
    session = Session()
    FeatureReader(HopsworksSource(Group(_candles()), session)).close()
    assert session.is_closed
