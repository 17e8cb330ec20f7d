"""Features of weeks that begin on Monday: their windows are no multiples since the epoch."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ohlc_core.domain.candle import Candle
from ohlc_features.define.loading import load_definitions
from ohlc_features.sql.store import LocalStore
from support.candle_records import MONDAY_MS, candle

DAY = 86_400_000
DEFINITIONS = """
from ohlc_features.define import FeatureGroup
days = FeatureGroup("days", intervals=["1d"])
weeks = FeatureGroup("weeks", intervals=["1w@monday"])

@days.feature(window=1, week=("1w@monday", 1))
def week_close(c, week):
    return week.close[-1]

@weeks.feature(window=2)
def close_before(c):
    return c.close[-2]
"""


def _candle(interval: str, number: int, length: int, close: int) -> Candle:
    start = MONDAY_MS + number * length
    return candle(
        interval=interval, window_start_ms=start, window_end_ms=start + length, close=str(close)
    )


@pytest.mark.parametrize("is_live", [True, False])
def test_week_is_known_from_its_end_on_and_not_before(tmp_path: Path, is_live: bool) -> None:
    file = tmp_path / "definitions.py"
    file.write_text(DEFINITIONS, "utf-8")
    url = f"sqlite:///{tmp_path / 'features.db'}"
    candles = [_candle("1w@monday", number, 7 * DAY, 1_000 + number) for number in range(3)]
    candles += [_candle("1d", number, DAY, number) for number in range(24)]
    store = LocalStore.open(url, "ohlc", 1, definitions=load_definitions(file))
    if is_live:
        for each in sorted(candles, key=lambda each: each.window_end_ms):
            store.write([each])
    else:
        store.write(candles)
    store.close()
    with closing(sqlite3.connect(tmp_path / "features.db")) as connection:
        days: dict[int, float | None] = dict(
            connection.execute("select window_end, week_close from days_1").fetchall()
        )
        weeks: dict[int, float | None] = dict(
            connection.execute("select window_end, close_before from weeks_1").fetchall()
        )
    ends = [MONDAY_MS + number * DAY for number in range(1, 25)]
    known = [(end - MONDAY_MS) // (7 * DAY) for end in ends]
    assert days == {
        end: 999.0 + count if count else None for end, count in zip(ends, known, strict=True)
    }
    assert weeks == {
        MONDAY_MS + 7 * DAY: None,
        MONDAY_MS + 14 * DAY: 1_000.0,
        MONDAY_MS + 21 * DAY: 1_001.0,
    }
