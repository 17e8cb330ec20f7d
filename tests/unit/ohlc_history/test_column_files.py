from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ohlc_history.sources.base import SourceError
from ohlc_history.sources.column_files import ColumnFile, column_files
from ohlc_history.sources.products import ProductNames
from ohlc_history.trade_table import clean

NAMES = ProductNames(["BTC/USD", "ETH/USD"])
TIME_US = 1_762_795_433_971_744


def files(path: Path, by_name: str | None = "BTC/USD") -> dict[str, ColumnFile]:
    found = column_files(path, NAMES, by_name, sequential=True)
    return {file.product_id: file for file in found}


def trades(file: ColumnFile) -> pl.DataFrame:
    return pl.concat(clean(batch)[0] for batch in file.read())


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "BTCUSD.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timestamp_us", TIME_US),
        ("ts", TIME_US * 1_000 + 999),
        ("timestamp", datetime.fromtimestamp(1_762_795_433, UTC).replace(microsecond=971_744)),
        ("time", 1_762_795_433.9717445),
        ("Timestamp", "1762795433.9717449"),
        ("time", "2025-11-10T17:23:53.971744Z"),
        ("datetime", Decimal("1762795433.971744")),
    ],
)
def test_times_of_every_kind(tmp_path: Path, name: str, value: object) -> None:
    path = parquet(tmp_path, **{name: [value], "price": ["1"], "qty": ["2"]})
    assert trades(files(path)["BTC/USD"])["timestamp_us"].to_list() == [TIME_US]


@pytest.mark.parametrize(
    ("stamp", "microseconds"),
    [
        (1_762_795_433, 1_762_795_433_000_000),
        (1_762_795_433_971, 1_762_795_433_971_000),
        (1_762_795_433_971_744, 1_762_795_433_971_744),
        (1_762_795_433_971_744_999, 1_762_795_433_971_744),
    ],
)
def test_a_numbers_size_tells_its_unit(tmp_path: Path, stamp: int, microseconds: int) -> None:
    path = parquet(tmp_path, timestamp=[stamp], price=["1"], qty=["2"])
    assert trades(files(path)["BTC/USD"])["timestamp_us"].to_list() == [microseconds]


def test_decimals_stay_exact(tmp_path: Path) -> None:
    price = Decimal("12345678901234567.123456789")
    path = parquet(tmp_path, ts=[TIME_US], price=[price], amount=[0.1])
    table = trades(files(path)["BTC/USD"])
    assert table.select("price", "quantity").rows() == [("12345678901234567.123456789", "0.1")]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("side", ["BUY", "S"]),
        ("taker_side", ["b", "sell"]),
        ("is_buyer_maker", [False, True]),
        ("isBuyerMaker", ["False", "True"]),
    ],
)
def test_the_takers_side_in_many_spellings(
    tmp_path: Path, column: str, values: list[object]
) -> None:
    columns = {"ts": [TIME_US] * 2, "price": ["1"] * 2, "qty": ["1"] * 2, column: values}
    assert trades(files(parquet(tmp_path, **columns))["BTC/USD"])["side"].to_list() == [
        "buy",
        "sell",
    ]


def test_a_product_column_splits_the_file(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        id=[1, 10, 2, 5],
        ts=[TIME_US, TIME_US, TIME_US + 1, TIME_US],
        price=["1", "2", "3", "4"],
        qty=["1"] * 4,
        symbol=["XBT/USD", "ETH-USD", "BTCUSD", "LTC/USD"],
    )
    found = files(path, by_name=None)
    assert trades(found["BTC/USD"])["trade_id"].to_list() == ["1", "2"]
    assert trades(found["ETH/USD"])["trade_id"].to_list() == ["10"]
    assert set(found) == {"BTC/USD", "ETH/USD"}


def test_an_unsorted_file_is_sorted_by_number(tmp_path: Path) -> None:
    path = parquet(
        tmp_path, id=["10", "9", "100"], ts=[TIME_US] * 3, price=["1"] * 3, qty=["1"] * 3
    )
    assert trades(files(path)["BTC/USD"])["trade_id"].to_list() == ["9", "10", "100"]


def test_without_ids_the_files_order_is_kept_within_a_microsecond(tmp_path: Path) -> None:
    path = parquet(tmp_path, ts=[1_762_795_433] * 3, price=["3", "1", "2"], qty=["1"] * 3)
    assert trades(files(path)["BTC/USD"])["price"].to_list() == ["3", "1", "2"]


def test_a_csv_with_a_header_is_read_by_its_names(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSD.csv"
    path.write_text("trade_id,price,quantity,side,timestamp_us\n7,1.10,2.0,sell,1762795433971744\n")
    assert trades(files(path)["BTC/USD"]).rows() == [("7", "1.1", "2", "sell", TIME_US)]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column for price and quantity among ts, open"):
        files(parquet(tmp_path, ts=[1], open=[2]))


def test_a_file_of_another_product_says_so(tmp_path: Path) -> None:
    path = parquet(tmp_path, ts=[TIME_US], price=["1"], qty=["1"], symbol=["LTC/USD"])
    with pytest.raises(SourceError, match=r"holds LTC/USD, none of PRODUCT_IDS"):
        files(path)
    with pytest.raises(SourceError, match=r"which product it holds can not be told"):
        files(parquet(tmp_path, ts=[TIME_US], price=["1"], qty=["1"]), by_name=None)
