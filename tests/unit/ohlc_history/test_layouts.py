# ruff: noqa: E501 - a layout is read best in one line
"""The layouts that people have, each read to the trades it holds."""

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow
import pytest

from ohlc_core.errors import FatalError, PipelineError
from support.history_files import T0, opened, taken, written

US = T0 * 1_000_000
ROW = ("1", "buy", "42000.5", "0.25")


def rows(path: Path, *, sequential: bool = True) -> list[tuple[str, str, str, str, int]]:
    columns = ("trade_id", "side", "price", "quantity", "timestamp_us")
    return taken(path, sequential=sequential).table.select(columns).rows()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Kraken time and sales, older; seconds with decimals
        ([f"{T0}.123456,42000.50,0.25"], (f"{US + 123456}-0", "unknown", "42000.5", "0.25", 123456)),
        # Kraken time and sales, 2026; the header names six of seven fields
        (
            ["Price,Volume,Timestamp,Type,OrderType,Misc", f"42000.5,0.25,{T0}.5,b,m,,1"],
            (*ROW, 500_000),
        ),
        # Binance spot trades: ms until 2024, us from 2025 on
        ([f"1,42000.50000000,0.25000000,10500.1,{T0}123,False,True"], (*ROW, 123_000)),
        ([f"1,42000.5,0.25,10500.1,{T0}123456,false,true"], (*ROW, 123_456)),
        # Binance futures, six fields, without and with its header
        ([f"1,42000.5,0.25,10500.1,{T0}123,false"], (*ROW, 123_000)),
        (
            ["id,price,qty,quote_qty,time,is_buyer_maker", f"1,42000.5,0.25,10500.1,{T0}123,false"],
            (*ROW, 123_000),
        ),
        # Binance aggTrades: spot, futures, futures with a header
        ([f"1,42000.5,0.25,70,71,{T0}123,False,True"], (*ROW, 123_000)),
        ([f"1,42000.5,0.25,70,71,{T0}123,false"], (*ROW, 123_000)),
        (
            [
                "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
                f"1,42000.5,0.25,70,71,{T0}123,false",
            ],
            (*ROW, 123_000),
        ),
        # Kaiko
        (
            ["id,exchange,symbol,date,price,amount,sell", f"1,krkn,btcusd,{T0}123,42000.5,0.25,false"],
            (*ROW, 123_000),
        ),
        # tardis
        (
            [
                "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
                f"kraken,XBT/USD,{T0}123456,{T0}999999,1,buy,42000.5,0.25",
            ],
            (*ROW, 123_456),
        ),
        # ccxt as CSV: the order's type is no side
        (
            [
                "id,timestamp,datetime,symbol,order,type,side,takerOrMaker,price,amount,cost",
                f"1,{T0}123,2024-01-01T00:00:00.123Z,BTC/USD,,limit,buy,taker,42000.5,0.25,10500.1",
            ],
            (*ROW, 123_000),
        ),
        # columns by name, whatever their order
        (["timestamp,volume,price", f"{T0},0.25,42000.5"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        (["price,amount,timestamp", f"42000.5,0.25,{T0}"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        (["timestamp,price,quantity", f"{T0}000,42000.5,0.25"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        # other delimiters, blanks, quotes, exponents, ISO times
        ([f"{T0}, 42000.5, 0.25"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        ([f"{T0}\t42000.5\t0.25"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        (["time;price;qty", f"{T0};42000.5;0.25"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        (['"time","price","qty"', f'"{T0}","42000.5","0.25"'], (f"{US}-0", "unknown", *ROW[2:], 0)),
        (["time,price,qty", "1.7040672e9,4.20005e4,2.5e-1"], (f"{US}-0", "unknown", *ROW[2:], 0)),
        (
            ["datetime,price,qty", "2024-01-01 01:00:00.5+01:00,42000.5,0.25"],
            (f"{US + 500_000}-0", "unknown", *ROW[2:], 500_000),
        ),
        (
            ["datetime,price,qty", "2024-01-01T00:00:00.123456789Z,42000.5,0.25"],
            (f"{US + 123_456}-0", "unknown", *ROW[2:], 123_456),
        ),
        # ids that went through a table of floats
        (["id,time,price,qty,side", f"1.0,{T0},42000.5,0.25,buy"], (*ROW, 0)),
        # a first line that is no header
        (
            ["https://www.CryptoDataDownload.com", "time,price,qty,side,tid", f"{T0},42000.5,0.25,buy,1"],
            (*ROW, 0),
        ),
    ],
)  # fmt: skip
def test_text_layout_is_read_by_its_content(
    tmp_path: Path, lines: list[str], expected: tuple[str, str, str, str, int]
) -> None:
    path = written(tmp_path / "BTCUSD.csv", *lines)
    assert rows(path) == [(*expected[:4], US + expected[4])]


def test_bitstamp_type_0_buys_and_1_sells(tmp_path: Path) -> None:
    lines = ["ID,Time,Amount,Price,Type", f"1,{T0},1,2,0", f"9,{T0 + 1},1,2,1"]
    path = written(tmp_path / "BTCUSD.csv", *lines)
    assert [row[:2] for row in rows(path, sequential=False)] == [("1", "buy"), ("9", "sell")]


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[Path, str], None]:
    return lambda path, text: path.write_bytes(pack(text.encode())) and None  # type: ignore[func-returns-value]


def _zstd(data: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", _zstd)],
)
@pytest.mark.parametrize("in_zip", [False, True])
def test_compressed_text_is_read_in_place(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], in_zip: bool
) -> None:
    body = pack(f"time,price,qty\n{T0},42000.5,0.25\n".encode())
    if in_zip:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr(f"folder/BTCUSD.csv{suffix}", body)
    else:
        (tmp_path / f"BTCUSD.csv{suffix}").write_bytes(body)
    assert [row[2] for row in rows(tmp_path)] == ["42000.5"]


def test_header_inside_a_zip_is_read_as_outside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "BTCUSD-2024.zip", "w") as archive:
        archive.writestr(
            "BTCUSD-2024.csv", f"id,price,qty,time,is_buyer_maker\n1,5,1,{T0}000,true\n"
        )
    assert rows(tmp_path) == [("1", "sell", "5", "1", US)]


@pytest.mark.parametrize("first", [f"{T0},100,1", f"time,price,qty\n{T0},100,1"])
def test_byte_order_mark_costs_no_trade(tmp_path: Path, first: str) -> None:
    path = tmp_path / "BTCUSD.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{first}\n{T0 + 1},101,1\n".encode())
    assert taken(path).prices == ["100", "101"]


CCXT = {"id": "1", "timestamp": T0 * 1000, "symbol": "BTC/USD", "side": "buy", "price": 42000.5,
        "amount": 0.25, "info": {"a": [1]}}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "trade_id"),
    [
        ("trades.json", json.dumps([CCXT]), "1"),
        ("trades.jsonl", json.dumps(CCXT) + "\n", "1"),
        (
            "BTC_USD-trades.json",
            json.dumps([[T0 * 1000, "1", "limit", "buy", 42000.5, 0.25, 1]]),
            "1",
        ),
        (
            "BTC_USD-trades.json",
            json.dumps([[T0 * 1000, None, "limit", "buy", 42000.5, 0.25, 1]]),
            f"{US}-0",
        ),
    ],
)
@pytest.mark.parametrize("pack", [None, gzip.compress])
def test_json_of_ccxt_and_freqtrade_is_read(
    tmp_path: Path, name: str, text: str, trade_id: str, pack: Callable[[bytes], bytes] | None
) -> None:
    path = tmp_path / (name if pack is None else f"{name}.gz")
    path.write_bytes(text.encode() if pack is None else pack(text.encode()))
    assert rows(path) == [(trade_id, "buy", "42000.5", "0.25", US)]


def test_coinbase_rest_rows_name_the_maker_so_the_taker_is_the_other_one(tmp_path: Path) -> None:
    row = {"trade_id": 1, "side": "sell", "size": "0.25", "price": "42000.5",
           "time": "2024-01-01T00:00:00Z"}  # fmt: skip
    path = tmp_path / "BTC-USD.json"
    path.write_text(json.dumps([row]))
    assert rows(path) == [("1", "buy", "42000.5", "0.25", US)]


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_feather_and_parquet_of_freqtrade_are_read(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(
        {"timestamp": [T0 * 1000] * 2, "id": ["1", "2"], "type": [None] * 2, "side": ["buy", "sell"],
         "price": [42000.5, 1e-7], "amount": [0.25, 12.5], "cost": [1.0, 1.0]}
    )  # fmt: skip
    path = tmp_path / f"BTC_USD-trades.{suffix}"
    frame.write_parquet(path) if suffix == "parquet" else frame.write_ipc(path)
    assert rows(path) == [(*ROW, US), ("2", "sell", "0.0000001", "12.5", US)]


@pytest.mark.parametrize(
    ("name", "value", "us"),
    [
        ("timestamp_us", US + 5, 5),
        ("ts", (US + 5) * 1_000 + 999, 5),
        ("timestamp", datetime.fromtimestamp(T0, UTC).replace(microsecond=5), 5),
        ("time", T0 + 0.25, 250_000),
        ("Timestamp", f"{T0}.0000059", 5),
        ("time", "2024-01-01T00:00:00.000005Z", 5),
        ("datetime", Decimal(f"{T0}.000005"), 5),
    ],
)
def test_times_of_every_kind_in_parquet(tmp_path: Path, name: str, value: Any, us: int) -> None:
    path = tmp_path / "BTCUSD.parquet"
    pl.DataFrame({name: [value], "price": ["1"], "qty": ["2"]}).write_parquet(path)
    assert rows(path)[0][4] == US + us


def test_decimals_of_parquet_stay_exact(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSD.parquet"
    price = Decimal("12345678901234567.123456789")
    pl.DataFrame({"ts": [US], "price": [price], "amount": [0.1]}).write_parquet(path)
    assert rows(path)[0][2:4] == ("12345678901234567.123456789", "0.1")


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("side", ["BUY", "S"], ["buy", "sell"]),
        ("taker_side", ["b", "ask"], ["buy", "sell"]),
        ("is_buyer_maker", ["false", "TRUE"], ["buy", "sell"]),
        ("side", ["unknown", ""], ["unknown", "unknown"]),
        ("is_buyer_maker", ["", "true"], ["unknown", "sell"]),
    ],
)
def test_side_is_the_takers_and_may_be_unknown(
    tmp_path: Path, column: str, values: list[str], expected: list[str]
) -> None:
    lines = [f"{T0 + n},1,1,{value}" for n, value in enumerate(values)]
    path = written(tmp_path / "BTCUSD.csv", f"time,price,qty,{column}", *lines)
    assert taken(path).table["side"].to_list() == expected


def test_product_column_splits_the_file(tmp_path: Path) -> None:
    lines = [f"{T0},1,1,XBT/USD", f"{T0},2,1,ETH-USD", f"{T0 + 1},3,1,BTCUSD", f"{T0},4,1,LTC/USD"]
    path = written(tmp_path / "trades.csv", "time,price,qty,symbol", *lines)
    assert taken(path, "BTC/USD").prices == ["1", "3"]
    assert taken(path, "ETH/USD").prices == ["2"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["datetime,price,amount", "01/02/2024 00:00:00,1,1"],
            "column datetime cannot be read as a time",
        ),
        (["time;price;qty", f"{T0};42000,5;0,25"], "column price has decimal commas (42000,5)"),
        ([f"{T0};42000,5;0,25"], "has decimal commas"),
        (["time,price,qty", f"{T0},1,1", f"{T0}000,1,1"], "mixes times in ms and s"),
        (["time,open,high", "1,2,3"], "no column for price and quantity among time, open, high"),
        ([f"{T0},1,2,3,4,5,6,7,8,9"], "is of no known layout of trades"),
        (["1,2,3"], "is of no known layout of trades"),
    ],
)
def test_unreadable_text_is_explained_by_its_column(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    path = written(tmp_path / "BTCUSD.csv", *lines)
    with pytest.raises(FatalError) as error:
        opened(path)
    assert words in str(error.value)
    assert "BTCUSD.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_unit_that_changes_far_into_a_file_ends_the_run(tmp_path: Path) -> None:
    lines = [f"{T0 + n},1,1" for n in range(1_500)]
    path = written(tmp_path / "BTCUSD.csv", "time,price,qty", *lines, f"{T0 + 1_500}000,1,1")
    with pytest.raises(PipelineError, match="column time mixes times in s and ms"):
        taken(path)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("nonsense", "price is not a number"),
        (f"{T0 + 1},5", "quantity is not a number"),
        (f"{T0 + 1},x,1", "price is not a number"),
        (f"{T0 + 1},1_000,1", "price is not a number"),
        (f"{T0 + 1},\uff11,1", "price is not a number"),
        (f"{T0 + 1},\u0661,1", "price is not a number"),
        (f"{T0 + 1},+1,1", "price is not a number"),
        (f"{T0 + 1},-1,1", "price is not a number"),
        (f"{T0 + 1},nan,1", "price is not a number"),
        (f"{T0 + 1},0,1", "price is not a positive number"),
        (f"{T0 + 1},1e999999,1", "price is not a number"),
        ("17,1,1", "the time cannot be read"),
        ("99999999999,1,1", "the time cannot be read"),
        (f"{T0 + 1},1,1,1", "price is not a number"),
    ],
)  # fmt: skip
def test_row_that_is_no_trade_is_rejected_with_its_text(
    tmp_path: Path, row: str, words: str
) -> None:
    path = written(tmp_path / "XBTUSD.csv", f"{T0},1,1", row, f"{T0 + 2},2,1")
    found = taken(path)
    assert found.prices == ["1", "2"]
    (rejected,) = found.rejected
    assert rejected.payload == row
    assert words in rejected.detail
    assert rejected.detail.startswith("XBTUSD.csv, row 2: ")


@pytest.mark.parametrize("bad", ["N/A", "", "12a", "1_000", "-5", "1" * 20])
def test_id_that_is_none_among_numbers_rejects_its_row_alone(tmp_path: Path, bad: str) -> None:
    lines = [f"{T0 + n},1,1,{bad if n == 1 else n}" for n in range(4)]
    path = written(tmp_path / "BTCUSD.csv", "time,price,qty,id", *lines)
    found = taken(path)
    assert found.ids == ["0", "2", "3"]
    assert "trade_id" in found.rejected[0].detail


def test_ids_of_text_are_kept_and_a_placeholder_is_rejected(tmp_path: Path) -> None:
    ids = ["TFXQ-7A-B1", "0000-0002", "N/A", "7e1a-11"]
    lines = [f"{T0 + n},1,1,{trade_id}" for n, trade_id in enumerate(ids)]
    path = written(tmp_path / "BTCUSD.csv", "time,price,qty,id", *lines)
    found = taken(path)
    assert found.ids == ["TFXQ-7A-B1", "0000-0002", "7e1a-11"]
    assert len(found.rejected) == 1


@pytest.mark.parametrize("empty", ["", "None", "nan"])
def test_empty_id_column_is_no_id_column(tmp_path: Path, empty: str) -> None:
    lines = [f"{T0},{n},1,{empty}" for n in range(1, 4)]
    path = written(tmp_path / "BTCUSD.csv", "time,price,qty,id", *lines)
    assert taken(path).ids == [f"{US}-0", f"{US}-1", f"{US}-2"]


def test_ids_that_do_not_distinguish_trades_end_the_run(tmp_path: Path) -> None:
    lines = [f"{T0 + n},{n + 1},1,7" for n in range(3)]
    path = written(tmp_path / "BTCUSD.csv", "time,price,qty,id", *lines)
    with pytest.raises(PipelineError, match=r"BTCUSD.csv: trade id 7 stands for different trades"):
        taken(path)
