"""A label sees what was known at its moment: candles whose window had ended, and no others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ohlc_features.reading import FeatureReader
from support.candle_records import MONDAY_MS, candle

Stored = Callable[..., FeatureReader]


def _closes(reader: FeatureReader, labels: pl.DataFrame, **options: object) -> list[float | None]:
    options = {"delay": 0, **options}
    joined = reader.as_of(labels, "kraken", "1m", columns=["close"], **options)  # type: ignore[arg-type]
    return joined["close"].to_list()


def _labels(*moments_ms: int, product: str = "BTC/USD") -> pl.DataFrame:
    return pl.DataFrame({"product_id": [product] * len(moments_ms), "time": list(moments_ms)})


def test_candle_is_seen_from_its_windows_end_on_and_not_a_millisecond_before(
    stored: Stored,
) -> None:
    reader = stored(candle(0, close="1"), candle(1, close="2"))
    end = MONDAY_MS + 120_000
    assert _closes(reader, _labels(end - 1, end, end + 1)) == [1, 2, 2]


def test_label_in_the_middle_of_a_window_does_not_see_that_window(stored: Stored) -> None:
    reader = stored(candle(0, close="1"), candle(1, close="2"))
    assert _closes(reader, _labels(MONDAY_MS + 90_000)) == [1]


def test_label_before_every_candle_gets_nulls(stored: Stored) -> None:
    assert _closes(stored(candle(5)), _labels(MONDAY_MS)) == [None]


def test_label_long_after_the_last_candle_sees_it_unless_it_is_too_old(stored: Stored) -> None:
    reader = stored(candle(0, close="1"))
    later = _labels(MONDAY_MS + 3_600_000)
    assert _closes(reader, later) == [1]
    assert _closes(reader, later, max_age=timedelta(minutes=59)) == [1]
    assert _closes(reader, later, max_age=timedelta(minutes=58)) == [None]


def test_labels_keep_their_order_and_columns(stored: Stored) -> None:
    reader = stored(candle(0, close="1"), candle(1, close="2"))
    end = MONDAY_MS + 60_000
    labels = _labels(end + 60_000, end, end + 60_000).with_columns(target=pl.Series([3, 1, 2]))
    joined = reader.as_of(labels, "kraken", "1m", columns=["close"], delay=0)
    assert joined.columns == ["product_id", "time", "target", "close"]
    assert joined["target"].to_list() == [3, 1, 2]
    assert joined["close"].to_list() == [2, 1, 2]


def test_products_see_their_own_candles_even_when_one_is_quiet_for_long(stored: Stored) -> None:
    reader = stored(
        candle(0, product_id="QUIET", close="5"),
        *(candle(n, close=str(n + 1)) for n in range(200)),
    )
    moment = MONDAY_MS + 200 * 60_000
    labels = pl.concat([_labels(moment), _labels(moment, product="QUIET")])
    assert _closes(reader, labels) == [200, 5]


def test_datetimes_of_any_zone_and_unit_are_moments(stored: Stored) -> None:
    reader = stored(candle(0, close="1"))
    end = datetime(2026, 9, 21, 0, 1, tzinfo=UTC)
    early = end - timedelta(microseconds=1)
    labels = pl.DataFrame({"product_id": ["BTC/USD"] * 2, "time": [early, end]})
    assert _closes(reader, labels) == [None, 1]
    elsewhere = labels.with_columns(pl.col("time").dt.convert_time_zone("Asia/Tokyo"))
    assert _closes(reader, elsewhere) == [None, 1]


def test_all_columns_come_with_the_candles_own_times(stored: Stored) -> None:
    joined = stored(candle(0)).as_of(_labels(MONDAY_MS + 60_000), "kraken", "1m")
    assert {"window_start", "window_end", "open", "vwap", "revision"} <= set(joined.columns)
    assert joined.height == 1


def test_the_candles_own_end_can_be_asked_for(stored: Stored) -> None:
    labels = _labels(MONDAY_MS + 90_000)
    joined = stored(candle(0)).as_of(labels, "kraken", "1m", columns=["close", "window_end"])
    assert joined.columns == ["product_id", "time", "window_end", "close"]


def test_no_labels_give_no_rows(stored: Stored) -> None:
    empty = pl.DataFrame(schema={"product_id": pl.String, "time": pl.Int64})
    assert _closes(stored(candle(0)), empty) == []


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (pl.DataFrame({"time": [MONDAY_MS]}), "no column 'product_id'"),
        (pl.DataFrame({"product_id": ["A"]}), "no column 'time'"),
        (pl.DataFrame({"product_id": ["A"], "time": [1.5]}), "was Float64"),
        (
            pl.DataFrame({"product_id": ["A"], "time": [datetime(2026, 1, 1)]}),  # noqa: DTZ001
            "with a time zone",
        ),
        (pl.DataFrame({"product_id": ["A", "A"], "time": [1, None]}), "holds nulls"),
        (pl.DataFrame({"product_id": ["A"], "time": [MONDAY_MS // 1_000]}), "looks like seconds"),
        (pl.DataFrame({"product_id": ["A"], "time": [MONDAY_MS * 1_000]}), "like microseconds"),
        (pl.DataFrame({"product_id": ["A"], "time": [MONDAY_MS * 10**6]}), "like nanoseconds"),
        (
            pl.DataFrame({"product_id": ["A"], "time": [datetime(1970, 1, 21, tzinfo=UTC)]}),
            "no time from 2009",
        ),
        (pl.DataFrame({"product_id": ["A"], "time": [MONDAY_MS], "close": [1.0]}), "already have"),
    ],
)
def test_unusable_labels_are_named(stored: Stored, labels: pl.DataFrame, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        stored(candle(0)).as_of(labels, "kraken", "1m")


def test_candle_counts_as_known_a_grace_period_and_a_delivery_after_its_end(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_MS", "3000")
    reader = stored(candle(0, close="1"))
    end = MONDAY_MS + 60_000
    labels = _labels(end + 3_999, end + 4_000)
    assert _closes(reader, labels, delay=None) == [None, 1]
    assert _closes(reader, labels, delay=timedelta(seconds=4, milliseconds=1)) == [None, None]
    with pytest.raises(ValueError, match="delay was -1"):
        _closes(reader, labels, delay=-1)


def test_age_is_counted_from_the_windows_end_whatever_the_delay(stored: Stored) -> None:
    reader = stored(candle(0, close="1"))
    labels = _labels(MONDAY_MS + 60_000 + 5_000)
    assert _closes(reader, labels, delay=5_000, max_age=timedelta(seconds=5)) == [1]
    assert _closes(reader, labels, delay=5_000, max_age=timedelta(seconds=4)) == [None]


def test_pandas_labels_and_one_column_by_its_name_are_taken(stored: Stored) -> None:
    reader = stored(candle(0, close="1"))
    labels = _labels(MONDAY_MS + 90_000)
    for time in (
        labels["time"],
        labels["time"].cast(pl.Datetime("ms", "UTC")).dt.cast_time_unit("ns"),
    ):
        frame = labels.with_columns(time).to_pandas()
        joined = reader.as_of(frame, "kraken", "1m", columns="close")
        assert joined["close"].to_list() == [1]
    with pytest.raises(ValueError, match="labels were a list"):
        reader.as_of([MONDAY_MS], "kraken", "1m")  # type: ignore[arg-type]
