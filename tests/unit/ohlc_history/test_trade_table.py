import polars as pl
import pytest

from ohlc_history.trade_table import TRADE_TABLE, RawBatch, clean

GOOD = {
    "trade_id": "7",
    "price": "100.50",
    "quantity": "0.00100000",
    "side": "buy",
    "timestamp_us": 1_700_000_000_000_000,
}


def batch(*rows: dict[str, object], has_ids: bool = True) -> RawBatch:
    trades = pl.DataFrame([GOOD | row for row in rows], schema=TRADE_TABLE)
    return RawBatch("file.csv", trades, lambda position: str(rows[position]), has_ids)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("84098.40000", "84098.4"),
        ("100", "100"),
        ("1000.0", "1000"),
        ("0.00000001", "0.00000001"),
        ("5.1e-05", "0.000051"),
        ("8.40984E+4", "84098.4"),
        ("007.10", "7.1"),
    ],
)
def test_numbers_become_canonical_text(text: str, canonical: str) -> None:
    found = clean(batch({"price": text, "quantity": text}))
    table, rejected = found.table, found.rejected
    assert rejected == []
    assert table["price"].to_list() == [canonical]
    assert table["quantity"].to_list() == [canonical]


def test_quantity_may_be_zero() -> None:
    found = clean(batch({"quantity": "0.000"}))
    table, rejected = found.table, found.rejected
    assert rejected == []
    assert table["quantity"].to_list() == ["0"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"price": "0.00"}, "price is not a positive number in range"),
        ({"price": "-1"}, "price is not a number"),
        ({"price": "nan"}, "price is not a number"),
        ({"price": "1e999999"}, "price is not a number"),
        ({"price": "1e999"}, "price is not a positive number in range"),
        ({"price": "+1"}, "price is not a number"),
        ({"price": "1_000"}, "price is not a number"),
        ({"price": "\uff11"}, "price is not a number"),
        ({"price": "12,5"}, "price is not a number"),
        ({"price": None}, "price is not a number"),
        ({"quantity": "1e-31"}, "price or quantity has too many decimal places"),
        ({"quantity": "-0.1"}, "quantity is not a number"),
        ({"side": "hold"}, "side is neither buy nor sell"),
        ({"side": None}, "side is neither buy nor sell"),
        ({"timestamp_us": None}, "the time cannot be read"),
        ({"timestamp_us": 0}, "timestamp_us is not a time since 2009"),
        ({"timestamp_us": 1 << 60}, "timestamp_us is not a time since 2009"),
        ({"trade_id": ""}, "trade_id is missing or no id"),
        ({"trade_id": None}, "trade_id is missing or no id"),
    ],
)
def test_a_row_no_candle_can_hold_is_rejected_with_its_reason(
    row: dict[str, object], reason: str
) -> None:
    found = clean(batch({"trade_id": "6"}, row, {"trade_id": "8"}))
    table, rejected = found.table, found.rejected
    assert table["trade_id"].to_list() == ["6", "8"]
    assert [each.detail for each in rejected] == [f"file.csv: {reason}"]
    assert rejected[0].payload == str(row)


def test_slow_rows_keep_their_place() -> None:
    ids = ["1", "2", "3", "4"]
    prices = ["1.0", "2e0", "3.0", "4e0"]
    found = clean(batch(*({"trade_id": i, "price": p} for i, p in zip(ids, prices, strict=True))))
    table, rejected = found.table, found.rejected
    assert rejected == []
    assert table["trade_id"].to_list() == ids
    assert table["price"].to_list() == ["1", "2", "3", "4"]


def test_a_source_without_ids_gets_none_here() -> None:
    found = clean(batch({"trade_id": None, "price": "2e0"}, has_ids=False))
    table, rejected = found.table, found.rejected
    assert rejected == []
    assert table["trade_id"].to_list() == [None]
