"""A row's feature does not depend on the rows it is evaluated with."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_features.define import Candles, FeatureGroup, Value, ta
from ohlc_features.define.evaluate import CandleTable, Evaluator
from ohlc_features.define.loading import load_definitions
from support.candle_tables import ends, random_columns, table

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


def _tables(seed: int, unknown: tuple[int, ...]) -> dict[str, CandleTable]:
    minutes = {
        "BTC/USD": random_columns(_COUNT, seed),
        "ETH/USD": random_columns(_COUNT, seed + 1),
    }
    hours = {"BTC/USD": random_columns(6, seed + 2), "ETH/USD": random_columns(6, seed + 3)}
    return {"1m": table(minutes, "1m", unknown), "1h": table(hours, "1h")}


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    unknown=st.lists(st.integers(0, _COUNT - 1), max_size=3),
    picked=st.lists(st.integers(0, _COUNT - 1), min_size=1, max_size=12, unique=True),
)
def test_row_has_the_same_bits_alone_and_among_others(
    seed: int, unknown: list[int], picked: list[int]
) -> None:
    tables = _tables(seed, tuple(unknown))
    times = ends(_COUNT)
    for group in (_GROUP, mixed):
        together = Evaluator(group).rows([("BTC/USD", times)], "1m", tables)
        wanted = [("ETH/USD", times), ("BTC/USD", times[picked]), ("NO/SUCH", times[:2])]
        both = Evaluator(group).rows(wanted, "1m", tables)
        for place, row in enumerate(picked):
            alone = Evaluator(group).rows([("BTC/USD", times[row : row + 1])], "1m", tables)
            assert alone.complete[0] == together.complete[row] == both.complete[_COUNT + place]
            for name in group.features:
                bits = alone.values[name].tobytes()
                assert bits == together.values[name][row : row + 1].tobytes()
                assert bits == both.values[name][_COUNT + place : _COUNT + place + 1].tobytes()
        assert not both.complete[-2:].any()


@settings(max_examples=30, deadline=None)
@given(unknown=st.integers(0, 59), window=st.integers(1, 20))
def test_row_is_complete_when_no_candle_of_its_window_is_missing(unknown: int, window: int) -> None:
    group = FeatureGroup("one", intervals=["1m"])
    group.feature(window=window)(lambda_named("last"))
    products = {"BTC/USD": random_columns(60, 1), "ETH/USD": random_columns(60, 2)}
    tables = {"1m": table(products, "1m", (unknown,))}

    rows = Evaluator(group).rows([("BTC/USD", ends(64, begin=-2))], "1m", tables)

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
    tables = {
        "1m": table({"BTC/USD": random_columns(200, 1)}, "1m"),
        "1h": table({"BTC/USD": hours}, "1h"),
    }
    times = ends(200)

    rows = Evaluator(group).rows([("BTC/USD", times)], "1m", tables)

    first_end = int(ends(1, "1h")[0])
    for place, time in enumerate(times.tolist()):
        hour = (time - first_end) // 3_600_000
        expected = hours["close"][hour] if 0 <= hour < 3 else np.nan
        np.testing.assert_equal(rows.values["hour_close"][place], expected)


def test_row_by_row_and_native_features_are_known_by_name() -> None:
    evaluator = Evaluator(mixed)
    evaluator.rows([("BTC/USD", ends(50))], "1m", _tables(1, ()))

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
    tables = {"1m": table({"BTC/USD": columns})}
    rows = Evaluator(group).rows([("BTC/USD", ends(60))], "1m", tables)

    empty = columns["volume"] == 0
    assert empty.any()
    assert (np.isnan(rows.values["fussy"]) == empty).all()
    assert rows.undefined["fussy"] == int(empty.sum())
    assert rows.errors["fussy"] == "RuntimeError: no volume here"
    assert rows.complete.all()


def test_negative_zero_is_zero_because_stores_keep_no_other() -> None:
    signed = FeatureGroup("signed", intervals=["1m"])

    @signed.feature(window=1)
    def zero(c: Candles) -> Value:
        return -0.0 * c.close[-1]

    rows = Evaluator(signed).rows([("BTC/USD", ends(_COUNT)[-3:])], "1m", _tables(1, ()))

    assert rows.values["zero"].tobytes() == np.zeros(3).tobytes()
