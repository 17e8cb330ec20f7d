import zipfile
from pathlib import Path

import polars as pl
import pytest

from ohlc_core.errors import FatalError, SettingsError
from ohlc_history.sources import delimited
from ohlc_history.sources.history_files import FileSource
from ohlc_history.sources.products import ProductNames, plain_name

DAY = 86_400
T0 = 1_672_531_200


def line(second: int) -> str:
    return f"{second},1.5,1\n"


def seconds(source: FileSource, product_id: str, from_s: int = 0, to_s: int = 1 << 40) -> list[int]:
    batches = source.batches(product_id, from_s * 1_000_000, to_s * 1_000_000, None)
    tables = [batch.table for batch in batches]
    if not tables:
        return []
    return [time // 1_000_000 for time in pl.concat(tables)["timestamp_us"]]


def opened(path: Path | str, *product_ids: str) -> FileSource:
    return FileSource(str(path), product_ids, sequential=True)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("USDTZUSD", "USDTUSD"),
        ("XETHXXBT", "ETHBTC"),
        ("ZEURZUSD", "EURUSD"),
        ("XXDGXXBT", "DOGEBTC"),
        ("XTZUSD", "XTZUSD"),
        ("ZRXUSD", "ZRXUSD"),
    ],
)
def test_krakens_own_keys_are_read_as_products(key: str, name: str) -> None:
    assert plain_name(key) == name


@pytest.mark.parametrize(
    "name", ["BTC/USD", "btc-usd", "XBTUSD", "XXBTZUSD", "XBT/USD", "BTCUSD", "btc_usd"]
)
def test_every_name_of_a_product_is_known(name: str) -> None:
    assert plain_name(name) == "BTCUSD"


@pytest.mark.parametrize(
    ("stem", "product"),
    [
        ("XBTUSD", "BTC/USD"),
        ("BTCUSD-trades-2024-01", "BTC/USD"),
        ("kraken_BTC_USD_2024", "BTC/USD"),
        ("XDGUSD", "DOGE/USD"),
        ("BTCUSDT-trades-2024-01", None),
        ("trades", None),
        ("BTCUSD_XDGUSD", None),
    ],
)
def test_file_name_gives_its_product(stem: str, product: str | None) -> None:
    assert ProductNames(["BTC/USD", "DOGE/USD"]).find_in_file_name(stem) == product


def test_files_of_a_folder_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD-b.csv").write_text(line(T0 + 1))
    (tmp_path / "XBTUSD-a.csv").write_text(line(T0 + 2))
    (tmp_path / "ETHUSD.csv").write_text(line(T0 + 3))
    source = opened(tmp_path, "BTC/USD", "ETH/USD")
    assert seconds(source, "BTC/USD") == [T0 + 1, T0 + 2]
    assert seconds(source, "ETH/USD") == [T0 + 3]
    assert source.first_us("BTC/USD") == (T0 + 1) * 1_000_000


def test_a_glob_chooses_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "XBTUSD.csv").write_text(line(T0 + len(name)))
    (tmp_path / "two" / "XBTUSD.csv").write_text(line(T0 + DAY))
    assert seconds(opened(tmp_path / "*" / "XBTUSD.csv", "BTC/USD"), "BTC/USD") == [
        T0 + 3,
        T0 + DAY,
    ]


def test_files_named_after_days_outside_the_period_are_not_read(tmp_path: Path) -> None:
    for day in range(1, 7):
        (tmp_path / f"XBTUSD-2023-01-0{day}.csv").write_text(line(T0 + (day - 1) * DAY))
    source = opened(tmp_path, "BTC/USD")
    found = seconds(source, "BTC/USD", T0 + 3 * DAY, T0 + 4 * DAY)
    assert found == [T0 + day * DAY for day in (1, 2, 3, 4)]


def test_large_plain_file_that_ends_before_the_period_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_FIRST_BLOCK_BYTES", 100)
    for day in range(4):
        rows = "".join(line(T0 + day * DAY + n) for n in range(20))
        (tmp_path / f"XBTUSD-{day}.csv").write_text(rows)
    source = opened(tmp_path, "BTC/USD")
    assert min(seconds(source, "BTC/USD", T0 + DAY + 300)) == T0 + 2 * DAY


def test_members_of_a_zip_are_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "Kraken_Trading_History.zip", "w") as archive:
        archive.writestr("TimeAndSales_Combined/XBTUSD.csv", line(T0))
        archive.writestr("TimeAndSales_Combined/LTCUSD.csv", line(T0))
        archive.writestr("__MACOSX/._XBTUSD.csv", "junk")
    assert seconds(opened(tmp_path, "BTC/USD"), "BTC/USD") == [T0]


def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD.csv").write_text(line(T0))
    (tmp_path / "candles.csv").write_text("time,open,high,low,close,volume\n1,2,3,4,5,6\n")
    (tmp_path / "index.json").write_text('[{"file": "XBTUSD.csv"}]')
    (tmp_path / "a.json").write_text('"a"')
    (tmp_path / "cut.json").write_text('[{"price": 1')
    (tmp_path / "broken.zip").write_text("no zip")
    (tmp_path / "data.csv").write_text(line(T0))
    (tmp_path / "what.bin").write_text("x")
    for name in ("notes.md", ".hidden", "BTCUSD.zip.CHECKSUM", "README.txt"):
        (tmp_path / name).write_text("hello")
    (tmp_path / "AAVEPLN.csv").write_text(line(T0))
    (tmp_path / "LTCUSD.csv").write_text("")
    source = opened(tmp_path, "BTC/USD")
    assert seconds(source, "BTC/USD") == [T0]
    reasons = {left.part: left.reason for left in source.left_out}
    assert set(reasons) == {"broken.zip", "data.csv", "what.bin", "cut.json"}
    assert {other.part for other in source.not_trades} == {"candles.csv", "index.json", "a.json"}
    assert "is damaged" in reasons["broken.zip"]
    assert "neither its name nor a column says which product" in reasons["data.csv"]


@pytest.mark.parametrize(
    ("name", "content", "error", "reason"),
    [
        ("kraken-ETHEUR.csv", line(T0), SettingsError, "1 files are other products'"),
        ("LTCUSD.csv", line(T0), SettingsError, "1 files are other products'"),
        ("XBTUSD.csv", "time,open\n1,2\n", FatalError, "no column for price and quantity"),
        ("XBTUSD.csv", "", FatalError, "XBTUSD.csv: is empty"),
        ("XBTUSD.csv", "time,price,qty\n", FatalError, "XBTUSD.csv: is empty"),
        ("XBTUSD.bin", "x", FatalError, "is none of"),
        ("page.json", '"a"', FatalError, "is JSON of something else than trades"),
        (
            "page.json",
            '{"result":{"XETHZUSD":[["1","1",1672531200.1,"b","m","",1]],"last":"1"}}',
            SettingsError,
            "1 files are other products'",
        ),
    ],
)
def test_path_without_trades_of_the_products_ends_the_run(
    tmp_path: Path, name: str, content: str, error: type[Exception], reason: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(error, match=r"REPLAY_PATH was .* PRODUCT_IDS BTC/USD") as raised:
        opened(path, "BTC/USD")
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_lone_file_of_any_name_is_the_one_products(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(line(T0))
    assert seconds(opened(path, "BTC/USD"), "BTC/USD") == [T0]
    for ambiguous in (lambda: opened(path, "BTC/USD", "ETH/USD"),):
        with pytest.raises(FatalError, match="says which product it holds"):
            ambiguous()


def test_a_path_without_files_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"REPLAY_PATH was .* where there is no file"):
        opened(tmp_path / "nothing", "BTC/USD")


def test_a_product_without_files_has_no_trades(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD.csv").write_text(line(T0))
    source = opened(tmp_path, "BTC/USD", "ETH/USD")
    assert seconds(source, "ETH/USD") == []
    assert source.first_us("ETH/USD") is None


@pytest.mark.parametrize("name", ["[BTC]USD.csv", "BTCUSD[1].csv", "BTCUSD*.csv", "BTCUSD?.csv"])
def test_name_with_pattern_characters_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(line(T0))
    (tmp_path / "BTCUSD1.csv").write_text(line(T0 + 1))
    (tmp_path / "BTCUSDX.csv").write_text(line(T0 + 2))
    assert seconds(opened(tmp_path / name, "BTC/USD"), "BTC/USD") == [T0]


def test_newer_assets_against_old_currencies_have_krakens_names() -> None:
    names = ProductNames(["USDT/USD", "XTZ/USD", "BTC/USD"])
    found = [names.find(name) for name in ("USDTZUSD", "XTZUSD", "XXBTZUSD", "ETHZUSD")]
    assert found == ["USDT/USD", "XTZ/USD", "BTC/USD", None]
