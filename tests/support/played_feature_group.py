"""A Hopsworks feature group played in memory, as far as reading it goes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from ohlc_core.domain.candle import Candle
from ohlc_features.schema import COLUMNS, feature_row

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


class PlayedGroup:
    """A feature group with offline and online rows."""

    def __init__(self, candles: Iterable[Candle]) -> None:
        rows = [feature_row(each) for each in candles]
        # Neither store keeps an order, and columns may come in any.
        self.offline = pd.DataFrame(rows[::-1], columns=list(COLUMNS))[sorted(COLUMNS)]
        newest = self.offline.sort_values("window_end").groupby("product_id").tail(1)
        self.online = newest.reset_index(drop=True)
        self.error: Exception | None = None
        self.reads = 0
        self._columns: list[str] = []
        self._condition: Condition | None = None

    def __getitem__(self, name: str) -> Feature:
        return Feature(name)

    def select_all(self) -> "PlayedGroup":
        return self.select(sorted(COLUMNS))

    def select(self, columns: list[str]) -> "PlayedGroup":
        self._columns = columns
        return self

    def filter(self, condition: Condition) -> "PlayedGroup":
        self._condition = condition
        return self

    def read(self, *, online: bool, dataframe_type: str) -> pd.DataFrame:
        assert dataframe_type == "pandas"
        self.reads += 1
        if self.error is not None:
            raise self.error
        frame = self.online if online else self.offline
        assert self._condition is not None
        return frame[self._condition.keep(frame)][self._columns].reset_index(drop=True)


class PlayedSession:
    """A login."""

    host, project = "cluster", "demo"
    is_closed = False

    def close(self) -> None:
        self.is_closed = True
