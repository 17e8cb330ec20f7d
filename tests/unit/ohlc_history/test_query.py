from pathlib import Path

import polars as pl
import pytest

from ohlc_core.errors import SettingsError
from ohlc_history.sources.query import QuerySource

T0 = 1_762_795_433


def rows(source: QuerySource, product_id: str = "BTC/USD") -> list[tuple[str, str, int]]:
    tables = [batch.table for batch in source.batches(product_id, 0, 1 << 52, None)]
    table = pl.concat(tables).select("trade_id", "price", "timestamp_us") if tables else None
    return [] if table is None else table.rows()


def source(query: str, *product_ids: str) -> QuerySource:
    return QuerySource(query, product_ids or ("BTC/USD",), sequential=True)


def test_rows_in_any_order_come_in_the_exchanges() -> None:
    query = f"SELECT * FROM (VALUES (10, {T0}, 1.50, 1), (9, {T0}, 2.0, 1)) t(id, ts, price, qty);"
    assert rows(source(query)) == [("9", "2", T0 * 1_000_000), ("10", "1.5", T0 * 1_000_000)]


def test_products_are_chosen_by_their_column() -> None:
    query = (
        f"SELECT * FROM (VALUES (1, {T0}, 1, 1, 'XBTUSD'), (1, {T0}, 3, 1, 'ETH-USD')) "
        "t(id, ts, price, qty, symbol)"
    )
    both = source(query, "BTC/USD", "ETH/USD", "LTC/USD")
    assert [price for _, price, _ in rows(both, "BTC/USD")] == ["1"]
    assert [price for _, price, _ in rows(both, "ETH/USD")] == ["3"]
    assert rows(both, "LTC/USD") == []
    assert both.first_us("ETH/USD") == T0 * 1_000_000
    assert both.first_us("LTC/USD") is None


def test_statements_before_the_last_are_run_first(tmp_path: Path) -> None:
    pl.DataFrame({"id": [1], "ts": [T0], "price": [0.1], "size": [1]}).write_parquet(
        tmp_path / "t.parquet"
    )
    query = (
        f"CREATE TEMP TABLE t AS SELECT * FROM '{tmp_path}/*.parquet'; SELECT * FROM t ORDER BY id;"
    )
    assert rows(source(query)) == [("1", "0.1", T0 * 1_000_000)]


def test_the_period_is_asked_of_the_database() -> None:
    query = f"SELECT i AS id, {T0} + i AS ts, 1 AS price, 1 AS qty FROM range(10) t(i)"
    batches = source(query).batches("BTC/USD", (T0 + 3) * 10**6, (T0 + 5) * 10**6, None)
    assert pl.concat(batch.table for batch in batches)["trade_id"].to_list() == ["3", "4"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 1 AS x", "no column for timestamp and price and quantity among x"),
        ("SELECT * FROM 'nowhere.parquet'", "nowhere.parquet"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1 ts, 1 price, 1 qty, 'LTC/USD' symbol", "gives products LTC/USD, none of"),
        (" ; ", "has no statement"),
    ],
)
def test_a_wrong_query_is_a_wrong_setting(query: str, reason: str) -> None:
    with pytest.raises(SettingsError, match="REPLAY_QUERY") as error:
        source(query)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_without_a_product_column_there_must_be_one_product() -> None:
    with pytest.raises(SettingsError, match="no column product_id, so PRODUCT_IDS must be one"):
        source("SELECT 1 ts, 1 price, 1 qty", "BTC/USD", "ETH/USD")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("COPY (SELECT 1) TO 'x.csv'; SELECT 1", "has a statement that would write"),
        ("SELECT 1; DROP TABLE x", "must end with a SELECT"),
        ("ATTACH 'x.db' AS x; SELECT 1", "attaches without READ_ONLY"),
        ("EXPORT DATABASE 'x'", "must end with a SELECT"),
    ],
)
def test_query_that_would_write_is_refused(query: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        source(query)
    assert words in str(error.value)


def test_comment_behind_the_query_is_no_error() -> None:
    query = f"SELECT 9 AS id, {T0} AS ts, 1.5 AS price, 1 AS qty -- the newest"
    assert rows(source(query)) == [("9", "1.5", T0 * 1_000_000)]
