"""Ranges, newest rows and exports of the local store."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import ohlc_features
from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading import FeatureReader
from ohlc_features.reading.frames import SCHEMA
from ohlc_features.reading.times import moment_ms
from ohlc_features.sql.engine import open_engine
from ohlc_features.sql.store import LocalStore
from ohlc_features.sql.url import store_url
from support.candle_records import MONDAY_MS, candle

Stored = Callable[..., FeatureReader]


def _starts(frame: pl.DataFrame) -> list[int]:
    return [(start - MONDAY_MS) // 60_000 for start in frame["window_start"].cast(pl.Int64)]


def test_range_includes_its_start_and_not_its_end(stored: Stored) -> None:
    reader = stored(*(candle(n) for n in range(10)))
    frame = reader.candles("kraken", "BTC/USD", "1m", MONDAY_MS + 120_000, MONDAY_MS + 300_000)
    assert _starts(frame) == [2, 3, 4]


def test_frame_has_the_same_types_with_and_without_rows(stored: Stored) -> None:
    reader = stored(candle(first_trade_id=None))
    assert reader.candles("kraken", "BTC/USD", "1m").schema == SCHEMA
    assert reader.candles("kraken", "XRP/USD", "1m").schema == SCHEMA
    assert reader.latest("kraken", "XRP/USD", "1m").schema == SCHEMA


def test_ids_after_a_thousand_nulls_are_read(stored: Stored) -> None:
    flat = [candle(n, first_trade_id=None, last_trade_id=None) for n in range(1_500)]
    frame = stored(*flat, candle(1_500)).candles("kraken", "BTC/USD", "1m")
    assert frame["first_trade_id"].null_count() == 1_500
    assert frame["first_trade_id"][-1] == candle().first_trade_id


def test_only_the_asked_products_and_interval_are_read(stored: Stored) -> None:
    reader = stored(
        *(candle(product_id=p, interval=i) for p in ("A", "B", "C") for i in ("1m", "5m"))
    )
    frame = reader.candles("kraken", ["A", "C"], "5m")
    assert frame["product_id"].to_list() == ["A", "C"]
    assert set(frame["candle_interval"]) == {"5m"}
    assert reader.candles("kraken", None, "1m").height == 3
    assert reader.candles("kraken", [], "1m").height == 0
    assert reader.candles("coinbase", None, "1m").height == 0


def test_values_are_those_of_the_candle(stored: Stored) -> None:
    given = candle(3, revision=2)
    (row,) = stored(given).candles("kraken", "BTC/USD", "1m").rows(named=True)
    assert row["close"] == float(given.close)
    assert row["vwap"] == float(given.vwap)
    assert (row["trade_count"], row["revision"], row["complete"]) == (41, 2, True)
    assert row["window_end"] == datetime(2026, 9, 21, 0, 4, tzinfo=UTC)


def test_latest_is_the_newest_window_of_each_product(stored: Stored) -> None:
    reader = stored(*(candle(n, product_id=p) for p in ("A", "B") for n in range(4)), candle(9))
    newest = reader.latest("kraken", None, "1m")
    assert dict(zip(newest["product_id"], _starts(newest), strict=True)) == {
        "A": 3,
        "B": 3,
        "BTC/USD": 9,
    }


def test_reader_sees_what_is_written_after_it_was_opened(stored: Stored) -> None:
    reader = stored(candle(0))
    assert reader.latest("kraken", "BTC/USD", "1m").height == 1
    stored(candle(1))
    assert _starts(reader.latest("kraken", "BTC/USD", "1m")) == [1]


def test_frame_becomes_a_pandas_frame(stored: Stored) -> None:
    frame = stored(candle(), candle(1)).candles("kraken", "BTC/USD", "1m").to_pandas()
    assert frame.set_index("window_end").index[0].isoformat() == "2026-09-21T00:01:00+00:00"


def test_parquet_export_is_one_table_for_duckdb_and_again_replaces_its_days(
    stored: Stored, tmp_path: Path
) -> None:
    reader = stored(*(candle(n, interval="1h") for n in range(30)))
    folder = tmp_path / "lake"
    for _ in range(2):
        assert reader.export_parquet(folder, "kraken", None, "1h") == 30
    read = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        counts = connection.sql(f"select day::text, count(*) from {read} group by 1 order by 1")
        assert counts.fetchall() == [("2026-09-21", 24), ("2026-09-22", 6)]
    assert [path.name for path in folder.rglob("*.part")] == []


def _lake(folder: Path) -> list[tuple[str, str, int]]:
    read = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    query = f"select product_id, day::text, count(*) from {read} group by 1, 2 order by 1, 2"
    with duckdb.connect() as connection:
        return connection.sql(query).fetchall()


def test_parquet_export_leaves_other_products_and_hours_in_the_lake(
    stored: Stored, tmp_path: Path
) -> None:
    products = ("BTC/USD", "ETH/USD")
    reader = stored(*(candle(n, product_id=p, interval="1h") for p in products for n in range(30)))
    folder = tmp_path / "lake"
    for product in products:
        assert reader.export_parquet(folder, "kraken", product, "1h") == 30
    both = [(p, day, n) for p in products for day, n in (("2026-09-21", 24), ("2026-09-22", 6))]
    assert _lake(folder) == both
    start = MONDAY_MS + 20 * 3_600_000
    part = reader.export_parquet(folder, "kraken", "ETH/USD", "1h", start=start, end="2026-09-22")
    assert part == 4
    assert _lake(folder) == both


def test_parquet_export_empties_what_the_store_no_longer_has(
    stored: Stored, tmp_path: Path
) -> None:
    reader = stored(*(candle(n, interval="1h") for n in range(30)))
    folder = tmp_path / "lake"
    reader.export_parquet(folder, "kraken", None, "1h")
    with closing(sqlite3.connect(tmp_path / "features.db")) as connection, connection:
        connection.execute("delete from ohlc_1 where window_start < ?", (MONDAY_MS + 86_400_000,))
    reader.export_parquet(folder, "kraken", None, "1h", start="2026-09-22")
    assert [day for _, day, _ in _lake(folder)] == ["2026-09-21", "2026-09-22"]
    reader.export_parquet(folder, "kraken", None, "1h")
    assert _lake(folder) == [("BTC/USD", "2026-09-22", 6)]


def test_parquet_export_killed_at_any_moment_leaves_whole_files_and_can_be_repeated(
    stored: Stored, tmp_path: Path
) -> None:
    reader = stored(*(candle(n, product_id=p) for p in ("A", "B") for n in range(3_000)))
    folder = tmp_path / "lake"
    reader.export_parquet(folder, "kraken", "A", "1m")
    code = (
        "from ohlc_features import FeatureReader\n"
        f"with FeatureReader.open('sqlite:///{tmp_path}/features.db') as reader:\n"
        "    while True:\n"
        "        print(flush=True)\n"
        f"        reader.export_parquet({str(folder)!r}, 'kraken', None, '1m')\n"
    )
    for delay in (0.0, 0.003, 0.01, 0.02):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)  # no synchronisation: where it is killed does not matter
            process.kill()
        assert sum(count for product, _, count in _lake(folder) if product == "A") == 3_000
    reader.export_parquet(folder, "kraken", None, "1m")
    assert sum(count for *_, count in _lake(folder)) == 6_000
    assert [path.name for path in folder.rglob("*.part")] == []


def test_incomplete_rows_are_left_out_unless_asked_for(stored: Stored) -> None:
    reader = stored(candle(0), candle(1), candle(1, complete=False, revision=1))
    assert _starts(reader.candles("kraken", None, "1m")) == [0]
    everything = reader.candles("kraken", None, "1m", include_incomplete=True)
    assert everything["complete"].to_list() == [True, False]


def test_unknown_buy_volume_is_null_in_frames(stored: Stored) -> None:
    reader = stored(*(candle(n, buy_volume=None) for n in range(2)), candle(2))
    for frame in (reader.candles("kraken", None, "1m"), stored().candles("kraken", None, "1m")):
        assert frame["buy_volume"].to_list() == [None, None, 1.102]
    assert stored(candle(3, buy_volume=None)).latest("kraken", None, "1m")["buy_volume"][0] is None


def test_reader_follows_a_store_that_was_made_again(stored: Stored, tmp_path: Path) -> None:
    reader = stored(candle(0))
    assert _starts(reader.latest("kraken", None, "1m")) == [0]
    for path in tmp_path.glob("features.db*"):
        path.unlink()
    stored(candle(5))
    assert _starts(reader.latest("kraken", None, "1m")) == [5]


def test_reader_is_the_packages_own_name() -> None:
    assert ohlc_features.FeatureReader is FeatureReader


@pytest.mark.parametrize(
    "moment",
    [
        MONDAY_MS,
        "2026-09-21",
        "2026-09-21T00:00Z",
        "2026-09-21T02:00+02:00",
        date(2026, 9, 21),
        datetime(2026, 9, 21, tzinfo=UTC),
        datetime(2026, 9, 20, 23, tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_every_way_to_name_a_moment_means_the_same(moment: object) -> None:
    assert moment_ms(moment) == MONDAY_MS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (MONDAY_MS // 1_000, "looks like seconds"),
        (MONDAY_MS * 1_000, "looks like microseconds"),
        (MONDAY_MS * 1_000_000, "looks like nanoseconds"),
        (0, "no time from 2009"),
        ("1999-01-01", "no time from 2009"),
        (True, "expected a datetime"),
        (1.79e12, "expected a datetime"),
    ],
)
def test_time_that_cannot_be_ms_since_2009_is_refused_in_words(
    stored: Stored, moment: Any, text: str
) -> None:
    reader = stored(candle())
    for name in ("start", "end"):
        with pytest.raises(ValueError, match=f"{name} was .*{text}"):
            reader.candles("kraken", None, "1m", **{name: moment})


@pytest.mark.parametrize("moment", ["2026-09-21T00:00", datetime(2026, 9, 21)])  # noqa: DTZ001
def test_time_without_a_zone_is_refused(moment: object) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        moment_ms(moment)  # type: ignore[arg-type]


def test_absent_store_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreRejectedError, match="there is no feature store at"):
        FeatureReader.open(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


def test_folder_with_any_name_is_read_and_nothing_in_it_is_changed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/odd %41 #name/features.db"
    store = LocalStore.open(url, "ohlc", 1)
    store.write([candle()])
    store.close()
    with FeatureReader.open(url) as reader:
        assert reader.latest("kraken", None, "1m").height == 1
        assert reader.candles("kraken", None, "1m").height == 1
        engine = open_engine(store_url(url), read_only=True)
        with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
            connection.execute(text("delete from ohlc_1"))
        engine.dispose()


def test_console_store_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURE_STORE", "console")
    with pytest.raises(StoreRejectedError, match="keeps nothing"):
        FeatureReader.open()
