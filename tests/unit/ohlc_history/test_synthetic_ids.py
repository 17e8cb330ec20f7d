import polars as pl

from ohlc_history.synthetic_ids import IdMaker
from ohlc_history.trade_table import TRADE_TABLE

Row = tuple[int, str]  # time, quantity


def table(rows: list[Row]) -> pl.DataFrame:
    cells = [(None, "1", quantity, "sell", time) for time, quantity in rows]
    return pl.DataFrame(cells, schema=TRADE_TABLE, orient="row")


def ids(maker: IdMaker, part: str, rows: list[Row]) -> list[str]:
    return maker.assign(part, table(rows))["trade_id"].to_list()


def test_the_ordinal_counts_within_a_microsecond_and_starts_anew_with_the_next() -> None:
    rows = [(10, "1"), (10, "1"), (11, "1"), (12, "1"), (12, "2")]
    assert ids(IdMaker(), "a", rows) == ["10-0", "10-1", "11-0", "12-0", "12-1"]


def test_ids_do_not_depend_on_batching() -> None:
    rows = [(10, "1"), (10, "1"), (10, "3"), (11, "1"), (12, "1"), (12, "2")]
    whole = ids(IdMaker(), "a", rows)
    for cut in range(1, len(rows)):
        maker = IdMaker()
        assert ids(maker, "a", rows[:cut]) + ids(maker, "a", rows[cut:]) == whole


def test_a_part_that_repeats_the_end_of_the_one_before_gets_its_ids_again() -> None:
    maker = IdMaker()
    ids(maker, "page 1", [(9, "1"), (10, "1"), (10, "2")])
    assert ids(maker, "page 2", [(10, "2"), (10, "3"), (11, "1")]) == ["10-1", "10-2", "11-0"]


def test_a_part_that_goes_on_within_a_microsecond_counts_on() -> None:
    maker = IdMaker()
    ids(maker, "page 1", [(10, "1"), (10, "2")])
    assert ids(maker, "page 2", [(10, "7"), (11, "1")]) == ["10-2", "11-0"]


def test_a_part_that_begins_earlier_gets_the_ids_it_had() -> None:
    maker = IdMaker()
    ids(maker, "old", [(9, "1"), (10, "1"), (10, "2")])
    assert ids(maker, "new", [(9, "1"), (10, "1"), (10, "2"), (11, "5")]) == [
        "9-0",
        "10-0",
        "10-1",
        "11-0",
    ]


def test_equal_rows_are_different_trades() -> None:
    assert len(set(ids(IdMaker(), "a", [(10, "1")] * 5))) == 5
