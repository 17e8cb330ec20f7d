"""A row's feature does not depend on the rows it is evaluated with."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_features.define import Candles, FeatureGroup, Value, ta
from ohlc_features.define.evaluate import Evaluator, SeriesKey
from ohlc_features.define.loading import load_definitions
from support.candle_grids import ends, grid, random_columns

_SHIPPED = Path(__file__).resolve().parents[3] / "features" / "momentum.py"
_GROUP = load_definitions(_SHIPPED)[0].group
_COUNT = 330

mixed = FeatureGroup("mixed", intervals=["1m"])


@mixed.feature(window=3)
def branch(c: Candles) -> Value:
    return c.close[-1] if c.close[-1] > c.close[-2] else c.open[-3]


@mixed.feature(window=5)
def by_numpy(c: Candles) -> float:
    return float(np.median(np.asarray(c.close)))


@mixed.feature(window=2, other=("1m", 4, "ETH/USD"))
def spread(c: Candles, other: Candles) -> Value:
    return ta.ratio(c.close[-1], ta.mean(other.close)) - 1 / c.volume[-1]


def _grids(seed: int, unknown: tuple[int, ...]) -> dict[SeriesKey, object]:
    return {
        SeriesKey("BTC/USD", "1m"): grid(random_columns(_COUNT, seed), "1m", unknown),
        SeriesKey("ETH/USD", "1m"): grid(random_columns(_COUNT, seed + 1), "1m"),
        SeriesKey("BTC/USD", "1h"): grid(random_columns(6, seed + 2), "1h"),
        SeriesKey("ETH/USD", "1h"): grid(random_columns(6, seed + 3), "1h"),
    }


def _bits(rows: np.ndarray) -> list[bytes]:
    return [number.tobytes() for number in rows]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    unknown=st.lists(st.integers(0, _COUNT - 1), max_size=3),
    picked=st.lists(st.integers(0, _COUNT - 1), min_size=1, max_size=12, unique=True),
)
def test_row_has_the_same_bits_alone_and_among_others(
    seed: int, unknown: list[int], picked: list[int]
) -> None:
    grids = _grids(seed, tuple(unknown))
    times = ends(_COUNT)
    for group in (_GROUP, mixed):
        together = Evaluator(group).rows("BTC/USD", "1m", times, grids)  # type: ignore[arg-type]
        both = Evaluator(group).mixed_rows(
            [("ETH/USD", times), ("BTC/USD", times[picked])],
            "1m",
            grids,  # type: ignore[arg-type]
        )
        for place, row in enumerate(picked):
            alone = Evaluator(group).rows("BTC/USD", "1m", times[row : row + 1], grids)  # type: ignore[arg-type]
            assert alone.complete[0] == together.complete[row] == both.complete[_COUNT + place]
            for name in group.features:
                bits = alone.values[name].tobytes()
                assert bits == together.values[name][row : row + 1].tobytes()
                assert bits == both.values[name][_COUNT + place : _COUNT + place + 1].tobytes()


@settings(max_examples=30, deadline=None)
@given(unknown=st.integers(0, 59), window=st.integers(1, 20))
def test_row_is_complete_when_no_candle_of_its_window_is_missing(unknown: int, window: int) -> None:
    group = FeatureGroup("one", intervals=["1m"])
    group.feature(window=window)(lambda_named("last"))
    grids = {SeriesKey("BTC/USD", "1m"): grid(random_columns(60, 1), "1m", (unknown,))}

    rows = Evaluator(group).rows("BTC/USD", "1m", ends(64, begin=-2), grids)

    for place, row in enumerate(range(-2, 62)):
        needed = range(row - window + 1, row + 1)
        whole = all(0 <= each < 60 and each != unknown for each in needed)
        assert bool(rows.complete[place]) == whole
        assert np.isnan(rows.values["last"][place]) != whole


def lambda_named(name: str):  # noqa: ANN201
    def function(c: Candles) -> Value:
        return c.close[-1]

    function.__name__ = name
    return function


def test_longer_interval_gives_its_last_window_that_has_ended() -> None:
    group = FeatureGroup("hours", intervals=["1m"])

    @group.feature(window=1, hour=("1h", 1))
    def hour_close(c: Candles, hour: Candles) -> Value:
        return hour.close[-1]

    hours = random_columns(3, 9)
    grids = {
        SeriesKey("BTC/USD", "1m"): grid(random_columns(200, 1), "1m"),
        SeriesKey("BTC/USD", "1h"): grid(hours, "1h"),
    }
    times = ends(200)

    rows = Evaluator(group).rows("BTC/USD", "1m", times, grids)

    first_end = int(ends(1, "1h")[0])
    for place, time in enumerate(times.tolist()):
        hour = (time - first_end) // 3_600_000
        expected = hours["close"][hour] if 0 <= hour < 3 else np.nan
        np.testing.assert_equal(rows.values["hour_close"][place], expected)


def test_row_by_row_and_native_features_are_known_by_name() -> None:
    evaluator = Evaluator(mixed)
    evaluator.rows("BTC/USD", "1m", ends(50), _grids(1, ()))  # type: ignore[arg-type]

    assert evaluator.row_by_row == {"branch", "by_numpy"}
    assert evaluator.native == {"by_numpy"}


def test_exception_of_one_row_leaves_the_others_alone() -> None:
    group = FeatureGroup("errors", intervals=["1m"])

    @group.feature(window=1)
    def fussy(c: Candles) -> float:
        if float(c.volume[-1]) == 0.0:
            raise RuntimeError("no volume\nhere")
        return float(c.close[-1])

    columns = random_columns(60, 3)
    rows = Evaluator(group).rows(
        "BTC/USD", "1m", ends(60), {SeriesKey("BTC/USD", "1m"): grid(columns)}
    )

    empty = columns["volume"] == 0
    assert empty.any()
    assert (np.isnan(rows.values["fussy"]) == empty).all()
    assert rows.undefined["fussy"] == int(empty.sum())
    assert rows.errors["fussy"] == "RuntimeError: no volume here"
    assert rows.complete.all()
