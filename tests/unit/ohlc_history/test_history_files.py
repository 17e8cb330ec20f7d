import zipfile
from pathlib import Path

import polars as pl
import pytest

from ohlc_core.errors import SettingsError
from ohlc_history.sources.history_files import FileSource
from ohlc_history.sources.products import ProductNames, plain_name
from ohlc_history.trade_table import clean

DAY = 86_400
T0 = 1_672_531_200


def line(second: int) -> str:
    return f"{second},1.5,1\n"


def seconds(source: FileSource, product_id: str, from_s: int = 0, to_s: int = 1 << 40) -> list[int]:
    batches = source.batches(product_id, from_s * 1_000_000, to_s * 1_000_000, None)
    tables = [clean(batch)[0] for batch in batches]
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
def test_a_files_name_tells_its_product(stem: str, product: str | None) -> None:
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


def test_files_outside_the_period_are_not_read(tmp_path: Path) -> None:
    for day in range(4):
        (tmp_path / f"XBTUSD-{day}.csv").write_text(line(T0 + day * DAY))
    source = opened(tmp_path, "BTC/USD")
    assert seconds(source, "BTC/USD", T0 + DAY + 120, T0 + 2 * DAY) == [T0 + DAY, T0 + 2 * DAY]


def test_members_of_a_zip_are_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "Kraken_Trading_History.zip", "w") as archive:
        archive.writestr("TimeAndSales_Combined/XBTUSD.csv", line(T0))
        archive.writestr("TimeAndSales_Combined/LTCUSD.csv", line(T0))
        archive.writestr("__MACOSX/._XBTUSD.csv", "junk")
    assert seconds(opened(tmp_path, "BTC/USD"), "BTC/USD") == [T0]


def test_what_holds_no_trades_is_left_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD.csv").write_text(line(T0))
    (tmp_path / "candles.csv").write_text("time,open,high,low,close,volume\n1,2,3,4,5,6\n")
    (tmp_path / "index.json").write_text("[]")
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "broken.zip").write_text("no zip")
    assert seconds(opened(tmp_path, "BTC/USD"), "BTC/USD") == [T0]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("kraken-ETHEUR.csv", line(T0), "which product it holds can not be told from its name"),
        ("LTCUSD.csv", line(T0), "which product it holds can not be told from its name"),
        ("XBTUSD.csv", "time,open\n1,2\n", "no column for price and quantity"),
        ("XBTUSD.bin", "x", "not one of"),
        ("page.json", "{}", "not an answer of Kraken's Trades"),
        (
            "page.json",
            '{"result":{"XETHZUSD":[["1","1",1672531200.1,"b","m","",1]],"last":"1"}}',
            "holds XETHZUSD, which is none of PRODUCT_IDS",
        ),
    ],
)
def test_a_path_without_trades_of_the_products_is_a_wrong_setting(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"REPLAY_PATH was .* PRODUCT_IDS BTC/USD") as error:
        opened(path, "BTC/USD")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_lone_file_of_any_name_is_the_one_products(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(line(T0))
    assert seconds(opened(path, "BTC/USD"), "BTC/USD") == [T0]
    for ambiguous in (
        lambda: opened(path, "BTC/USD", "ETH/USD"),
        lambda: opened(tmp_path, "BTC/USD"),
    ):
        with pytest.raises(SettingsError, match="can not be told from its name"):
            ambiguous()


def test_a_path_without_files_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"REPLAY_PATH was .* where there is no file"):
        opened(tmp_path / "nothing", "BTC/USD")


def test_a_product_without_files_has_no_trades(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD.csv").write_text(line(T0))
    source = opened(tmp_path, "BTC/USD", "ETH/USD")
    assert seconds(source, "ETH/USD") == []
    assert source.first_us("ETH/USD") is None
