"""Stores that cannot look candles up get their feature rows from a working file beside them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ohlc_core.domain.candle import Candle
from ohlc_features.base import GroupRow
from ohlc_features.define import Candles, FeatureGroup, Value, ta
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.errors import StoreLostError, StoreRejectedError, StoreUnavailableError
from ohlc_features.reading.source import CandleSource
from ohlc_features.sql.reader import LocalSource
from ohlc_features.sql.store import LocalStore
from ohlc_features.working_file import WorkingFile
from ohlc_features.working_store import WorkingStore
from support.candle_records import MONDAY_MS, candle

group = FeatureGroup("probe", intervals=["1m"])
MINUTE = 60_000


@group.feature(window=3)
def change(c: Candles) -> Value:
    return ta.returns(c.close, 2)


DEFINED = DefinedGroup(group, "source", "hash")


class Outer:
    """A store far away: what it was given, and how often it fails."""

    def __init__(self) -> None:
        self.rows: dict[int, GroupRow] = {}
        self.failures = 0

    def write(self, candles: Sequence[Candle]) -> int:
        return 0

    def write_rows(self, group: FeatureGroup, rows: Sequence[GroupRow]) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        self.rows.update({(row.window_end - MONDAY_MS) // MINUTE - 1: row for row in rows})

    def close(self) -> None:
        pass

    def changes(self) -> dict[int, float | None]:
        """Return the feature by window."""
        return {window: row.values[0] for window, row in sorted(self.rows.items())}


def _candles(first: int, beyond: int) -> list[Candle]:
    return [candle(n, close=str(2**n)) for n in range(first, beyond)]


def _nothing() -> CandleSource:
    raise StoreRejectedError("there is no group yet")


def test_rows_are_handed_on_again_after_a_failure(tmp_path: Path) -> None:
    outer = Outer()
    store = WorkingStore(outer, f"sqlite:///{tmp_path}/working.db", [DEFINED])
    store.write(_candles(0, 3))
    outer.failures = 1
    with pytest.raises(StoreUnavailableError):
        store.write(_candles(3, 5))
    store.write(_candles(3, 5))
    store.close()
    assert outer.changes() == {0: None, 1: None, 2: 3.0, 3: 3.0, 4: 3.0}


def test_new_working_file_asks_for_everything_to_be_read_again(tmp_path: Path) -> None:
    outer, path = Outer(), tmp_path / "working.db"
    file = WorkingFile(path, [DEFINED], _nothing)
    store = WorkingStore(outer, file.url, [DEFINED], file=file)
    assert store.is_lost()
    with pytest.raises(StoreLostError):
        store.write(_candles(0, 1))
    store.reopen()
    assert not store.is_lost()
    store.write(_candles(0, 4))
    store.close()
    assert outer.changes() == {0: None, 1: None, 2: 3.0, 3: 3.0}

    again = WorkingStore(outer, file.url, [DEFINED], file=file)
    assert not again.is_lost()
    again.close()


def test_lost_working_file_is_made_again_from_the_history(tmp_path: Path) -> None:
    kept = f"sqlite:///{tmp_path}/kept.db"
    history = LocalStore.open(kept, "ohlc", 1)
    # The history lacks the windows 0 to 2: they are older than what is read again of the topic.
    history.write(_candles(3, 8))
    history.close()
    outer = Outer()
    complete = GroupRow("kraken", "BTC/USD", "1m", 0, 0, (3.0,), True)
    outer.rows = dict.fromkeys((3, 4), complete)
    file = WorkingFile(tmp_path / "working.db", [DEFINED], lambda: LocalSource(kept, "ohlc", 1))
    store = WorkingStore(outer, file.url, [DEFINED], file=file)
    store.reopen()

    store.write(_candles(3, 9))
    store.close()

    # What was whole before stays: rows that lack candles of before the loss are not handed on.
    assert outer.rows[3] == outer.rows[4] == complete
    assert outer.changes() == dict.fromkeys(range(3, 9), 3.0)
