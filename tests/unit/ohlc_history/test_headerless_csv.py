import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from ohlc_history.sources import headerless_csv as lines_module
from ohlc_history.sources.headerless_csv import (
    BINANCE,
    KRAKEN_3,
    KRAKEN_7,
    Layout,
    first_lines,
    layout_of,
    read_lines,
)
from ohlc_history.trade_table import RejectedRow, clean

THREE = "1672531436.123456,90.540000,1.10448420"
SEVEN = "84098.40000,0.04661621,1790000074.6261901,b,m,,109183836"
SEVEN_HEADER = "Price,Volume,Timestamp,Type(b/s),OrderType(m/l),Misc,TradeID"
BINANCE_2024 = "28457,4.00000100,12.00000000,48.000012,1499865549590,True,True"
BINANCE_2025 = "51175358,17.80180000,5.69000000,101.29224200,1735689600010866,False,True"


def trades(path: Path, layout: Layout, member: str | None = None) -> pl.DataFrame:
    return pl.concat(clean(batch)[0] for batch in read_lines(path.name, path, member, layout))


def rejected(path: Path, layout: Layout) -> Iterator[RejectedRow]:
    for batch in read_lines(path.name, path, None, layout):
        yield from clean(batch)[1]


@pytest.mark.parametrize(
    ("line", "layout"),
    [(THREE, KRAKEN_3), (SEVEN, KRAKEN_7), (BINANCE_2024, BINANCE), (BINANCE_2025, BINANCE)],
)
def test_the_layout_is_told_by_the_fields(line: str, layout: Layout) -> None:
    assert layout_of([line]) is layout
    assert layout_of(["some,header", line, line]) is layout


@pytest.mark.parametrize(
    "line",
    [
        "1616889600,1,2,3,4,5,6",  # candles
        "26129,0.01633102,4.70443515,27781,27781,1498793709153,True,True",  # Binance aggTrades
        "time,open,high,low,close,volume",
        "",
    ],
)
def test_other_files_are_no_trades(line: str) -> None:
    assert layout_of([line]) is None


def test_three_fields_have_no_ids_and_the_documented_side(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD.csv"
    path.write_text(f"{THREE}\n")
    assert trades(path, KRAKEN_3).rows() == [
        (None, "90.54", "1.1044842", "unknown", 1_672_531_436_123_456)
    ]


def test_seven_fields_with_a_header_that_names_six(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD.csv"
    header = SEVEN_HEADER.removesuffix(",TradeID")
    path.write_text(f"{header}\n{SEVEN}\n{SEVEN.replace(',b,', ',s,')}\r\n")
    assert trades(path, KRAKEN_7).rows() == [
        ("109183836", "84098.4", "0.04661621", side, 1_790_000_074_626_190)
        for side in ("buy", "sell")
    ]


def test_binance_stamps_are_ms_until_2024_and_us_from_2025(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades-2025-01.csv"
    path.write_text(f"{BINANCE_2024}\n{BINANCE_2025}\n")
    assert trades(path, BINANCE)["timestamp_us"].to_list() == [
        1_499_865_549_590_000,
        1_735_689_600_010_866,
    ]


def test_binance_tells_who_rested_so_the_taker_is_the_other_one(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades-2025-01.csv"
    path.write_text(f"{BINANCE_2024}\n{BINANCE_2025}\n")
    assert trades(path, BINANCE)["side"].to_list() == ["sell", "buy"]


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1672531436", 1_672_531_436_000_000),
        ("1672531436.1", 1_672_531_436_100_000),
        ("1672531436.9999999", 1_672_531_436_999_999),
        ("1762795433.9717445", 1_762_795_433_971_744),
        ("1762795433.", 1_762_795_433_000_000),
    ],
)
def test_seconds_are_cut_to_microseconds_without_a_float(text: str, microseconds: int) -> None:
    column = pl.DataFrame({"text": [text]}).select(lines_module.seconds_to_us(pl.col("text")))
    assert column.item() == microseconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "1.5.5", "12 "])
def test_what_is_no_decimal_second_is_null(text: str) -> None:
    column = pl.DataFrame({"text": [text]}).select(lines_module.seconds_to_us(pl.col("text")))
    assert column.item() is None


def test_malformed_lines_are_rejected_with_their_text(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD.csv"
    path.write_bytes(f"{THREE}\nnonsense\n1672531437,5\n1672531438,x,1\n{THREE}".encode() + b"\xff")
    assert [row.payload for row in rejected(path, KRAKEN_3)] == [
        "nonsense",
        "1672531437,5",
        "1672531438,x,1",
        f"{THREE}\N{REPLACEMENT CHARACTER}",
    ]
    assert trades(path, KRAKEN_3).height == 1


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_the_block_size_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    path = tmp_path / "XBTUSD.csv"
    path.write_text("".join(f"{1672531436 + n},{90 + n},1.5\n" for n in range(20)))
    monkeypatch.setattr(lines_module, "_BLOCK_BYTES", block)
    table = trades(path, KRAKEN_3)
    assert table["price"].to_list() == [str(90 + n) for n in range(20)]


def test_packed_files_are_read_in_place(tmp_path: Path) -> None:
    packed = tmp_path / "XBTUSD.csv.gz"
    packed.write_bytes(gzip.compress(f"{THREE}\n".encode()))
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("TimeAndSales_Combined/XBTUSD.csv", f"{THREE}\n")
    member = "TimeAndSales_Combined/XBTUSD.csv"
    assert first_lines(packed, None) == first_lines(archive, member) == [THREE]
    assert trades(packed, KRAKEN_3).equals(trades(archive, KRAKEN_3, member))
