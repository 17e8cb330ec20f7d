import json
from pathlib import Path

import polars as pl

from ohlc_history.sources.archive import DataFile
from ohlc_history.sources.kraken_pages import page_batches, read_pages
from ohlc_history.synthetic_ids import IdMaker
from ohlc_history.trade_table import clean
from support.market_data import market_file

ROW = '["84098.40000","0.04661621",1790000074.6261901,"b","m","",109183836]'
OLD_ROW = '["0.000856800","275.13737481",1616889746.9058,"s","m",""]'


def body(*rows: str, pair: str = "XXBTZUSD") -> str:
    joined = ",".join(rows)
    return f'{{"error":[],"result":{{"{pair}":[{joined}],"last":"1790000074626190123"}}}}'


def trades(path: Path) -> pl.DataFrame:
    pages = read_pages(DataFile(path))
    assert pages is not None
    return pl.concat(clean(batch).table for _, batch in page_batches(path.name, pages))


def test_a_row_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(body(ROW))
    assert trades(path).rows() == [
        ("109183836", "84098.4", "0.04661621", "buy", 1_790_000_074_626_190)
    ]


def test_rows_of_the_years_without_ids(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(body(OLD_ROW, OLD_ROW, pair="GRTETH"))
    table = IdMaker().assign("page", trades(path))
    assert table["trade_id"].to_list() == ["1616889746905800-0", "1616889746905800-1"]
    assert table["side"].to_list() == ["sell", "sell"]


def test_several_pages_may_stand_in_one_file_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text(body(ROW) + "\n" + body(ROW.replace("109183836", "109183837")) + "\n")
    assert trades(path)["trade_id"].to_list() == ["109183836", "109183837"]


def test_a_broken_row_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(body(ROW, '["84098.4"]', '["x","1",1790000074.6,"b","m","",109183837]'))
    pages = read_pages(DataFile(path))
    assert pages is not None
    ((_, batch),) = page_batches("page.json", pages)
    found = clean(batch)
    table, rejected = found.table, found.rejected
    assert table.height == 1
    assert [json.loads(row.payload)[0] for row in rejected] == ["84098.4", "x"]


def test_candles_and_other_json_are_no_pages(tmp_path: Path) -> None:
    candle = '[1762777020,"106038.2","106038.2","106038.2","106038.2","0.0","0.00000000",0]'
    for number, text in enumerate(
        [body(candle), "[1]", "{}", "nonsense", '{"error":["E"]}', '{"result":{"a":[],"b":[]}}']
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        assert read_pages(DataFile(path)) is None, text


def test_a_recorded_page_is_read_to_the_last_row() -> None:
    table = trades(market_file("kraken/rest_official/dev_cut/Trades_before_21Z.json"))
    assert table.height == 488
    assert table["trade_id"].cast(pl.Int64).diff().drop_nulls().unique().to_list() == [1]
