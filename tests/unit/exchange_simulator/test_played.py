import json
from pathlib import Path

import pytest

from exchange_simulator.formatting import fixed, float_seconds
from exchange_simulator.market.played import product_of_key, read_trades_files
from ohlc_core.errors import SettingsError
from support.market_data import market_file


def write(path: Path, key: str, rows: list[list[object]]) -> Path:
    path.write_text(json.dumps({"error": [], "result": {key: rows, "last": "1"}}))
    return path


@pytest.mark.parametrize(
    ("key", "product"),
    [
        ("XXBTZUSD", "BTC/USD"),
        ("XBTUSDT", "BTC/USDT"),
        ("GRTETH", "GRT/ETH"),
        ("XDGUSD", "DOGE/USD"),
        ("XETHXXBT", "ETH/BTC"),
    ],
)
def test_products_are_named_from_krakens_keys(key: str, product: str) -> None:
    assert product_of_key(key) == product


def test_overlapping_pages_in_any_order_give_each_id_once(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["10.50000", "1.00000000", 1.5 + number, "b", "l", "", number] for number in range(6)
    ]
    late = write(tmp_path / "a.json", "XXBTZUSD", rows[2:])
    early = write(tmp_path / "b.json", "XXBTZUSD", rows[:4])
    [played] = read_trades_files([late, early])
    assert [row.trade_id for row in played.rows] == list(range(6))
    assert played.product.price_decimals == 1
    assert played.product.rest_price_decimals == 5


def test_rows_without_ids_get_ids_by_order() -> None:
    folder = market_file("kraken/rest_pages")
    [played] = read_trades_files([folder])
    index = json.loads((folder / "index.json").read_bytes())
    count = sum(
        len(json.loads((folder / page["file"]).read_bytes())["result"]["GRTETH"]) for page in index
    )
    assert [row.trade_id for row in played.rows] == list(range(1, count + 1))
    assert played.product.name == "GRT/ETH"


def test_recorded_numbers_come_back_as_they_were() -> None:
    path = market_file("kraken/rest_official/dev_cut/Trades_before_21Z.json")
    [played] = read_trades_files([path])
    recorded = json.loads(path.read_bytes(), parse_float=str)["result"]["XBTUSDT"]
    product = played.product
    missing = product.rest_price_decimals - product.price_decimals
    assert [
        [
            fixed(row.price * 10**missing, product.rest_price_decimals),
            fixed(row.quantity, product.quantity_decimals),
            float_seconds(row.time_ns),
            "s" if row.is_sell else "b",
            "m" if row.is_market else "l",
            "",
            row.trade_id,
        ]
        for row in played.rows
    ] == recorded


@pytest.mark.parametrize("body", ["", "{}", '{"result":{}}', '{"result":{"XXBTZUSD":[["x"]]}}'])
def test_a_file_that_is_no_trades_body_is_a_wrong_setting(tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(body)
    with pytest.raises(SettingsError, match="SIMULATOR_TRADES_FILE"):
        read_trades_files([path])


def test_a_missing_file_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        read_trades_files([tmp_path / "none.json"])
    with pytest.raises(SettingsError, match="no such file"):
        read_trades_files([tmp_path])
