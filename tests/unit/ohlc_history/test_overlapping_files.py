"""Any overlap, nesting and order of files gives each trade once, or names the files."""

import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_history.deduplicate import DisorderError
from ohlc_history.sources import delimited
from support.history_files import T0, taken, written


def with_id(number: int, *, ms: bool = True) -> str:
    unit = "000" if ms else "000000"
    return f"{number},{100 + number % 7}.5,1,1,{T0 + number}{unit},true,true"


def without_id(number: int) -> str:
    """Three trades a second, some of them equal."""
    return f"{T0 + number // 3}.0000,{100 + number % 2},0.{1 + number % 5}"


def names(count: int) -> list[str]:
    return [f"BTCUSD-{number:02}.csv" for number in range(count)]


@pytest.mark.parametrize("from_second", [0, 400, 700])
def test_part_of_an_archive_beside_the_whole_of_it(tmp_path: Path, from_second: int) -> None:
    written(tmp_path / "XBTUSD.csv", *map(without_id, range(3_000)))
    written(tmp_path / "Q1" / "XBTUSD.csv", *map(without_id, range(300, 900)))
    whole = taken(tmp_path / "XBTUSD.csv").table
    both = taken(tmp_path / "**" / "XBTUSD.csv", from_us=(T0 + from_second) * 1_000_000)
    wanted = whole.filter(whole["timestamp_us"] >= (T0 + from_second) * 1_000_000)
    assert both.table.equals(wanted)


def test_monthly_and_daily_archives_together(tmp_path: Path) -> None:
    written(tmp_path / "BTCUSD-trades-2024-01.csv", *map(with_id, range(1, 901)))
    for day in range(3):
        rows = range(1 + day * 100, 101 + day * 100)
        written(tmp_path / f"BTCUSD-trades-2024-01-0{day + 1}.csv", *map(with_id, rows))
    found = taken(tmp_path, from_us=(T0 + 500) * 1_000_000)
    assert found.ids == [str(number) for number in range(500, 901)]
    assert taken(tmp_path).ids == [str(number) for number in range(1, 901)]
    assert taken(tmp_path).repeated == 300


def test_second_file_fills_what_the_first_misses(tmp_path: Path) -> None:
    numbers = [n for n in range(1, 1_000) if not 300 <= n < 400]
    written(tmp_path / "BTCUSD-2024-01.csv", *map(with_id, numbers))
    written(tmp_path / "BTCUSD-2024-01-15.csv", *map(with_id, range(280, 420)))
    found = taken(tmp_path)
    assert found.ids == [str(number) for number in range(1, 1_000)]
    assert found.missing == 0
    assert found.repeated == 40


def test_same_file_nested_twice_and_in_a_zip(tmp_path: Path) -> None:
    rows = [with_id(number) for number in range(1, 200)]
    written(tmp_path / "BTCUSD-a.csv", *rows)
    written(tmp_path / "BTCUSD-b.csv", *rows)
    with zipfile.ZipFile(tmp_path / "BTCUSD.zip", "w") as archive:
        archive.writestr("BTCUSD.csv", "\n".join(rows))
        archive.writestr("old/BTCUSD.csv", "\n".join(rows[:50]))
    assert taken(tmp_path).ids == [str(number) for number in range(1, 200)]


def test_one_trade_in_ms_and_in_us_is_one_trade(tmp_path: Path) -> None:
    written(tmp_path / "BTCUSD-a.csv", *(with_id(n) for n in range(1, 60)))
    written(tmp_path / "BTCUSD-b.csv", *(with_id(n, ms=False) for n in range(40, 90)))
    assert taken(tmp_path).ids == [str(number) for number in range(1, 90)]


def test_files_with_ids_that_disagree_end_the_run_with_both_names(tmp_path: Path) -> None:
    written(tmp_path / "BTCUSD-a.csv", *map(with_id, range(1, 60)))
    other = with_id(30).replace(",1,1,", ",2,2,")
    written(tmp_path / "BTCUSD-b.csv", *map(with_id, range(20, 30)), other)
    with pytest.raises(DisorderError, match=r"BTCUSD-a.csv and BTCUSD-b.csv: trade id 30 stands"):
        taken(tmp_path)


def test_files_without_ids_that_disagree_end_the_run_with_both_names(tmp_path: Path) -> None:
    written(tmp_path / "XBTUSD.csv", *map(without_id, range(300)))
    written(tmp_path / "XBTUSD-fix.csv", *map(without_id, range(90, 120)), f"{T0 + 45}.5,1,1",
            *map(without_id, range(150, 200)))  # fmt: skip
    with pytest.raises(DisorderError, match=r"XBTUSD.csv and XBTUSD-fix.csv overlap.* disagree"):
        taken(tmp_path)


def test_missing_hour_without_ids_is_a_disagreement(tmp_path: Path) -> None:
    rows = [n for n in range(600) if not 200 <= n < 300]
    written(tmp_path / "XBTUSD-month.csv", *map(without_id, rows))
    written(tmp_path / "XBTUSD-day.csv", *map(without_id, range(150, 400)))
    with pytest.raises(DisorderError, match=r"XBTUSD-month.csv and XBTUSD-day.csv overlap"):
        taken(tmp_path)


def test_files_from_before_and_after_ids_share_trades(tmp_path: Path) -> None:
    written(tmp_path / "BTCUSD-a.csv", "time,price,qty", *(f"{T0 + n},{n},1" for n in range(1, 10)))
    written(tmp_path / "BTCUSD-b.csv", "time,price,qty,id",
            *(f"{T0 + n},{n},1,{n}" for n in range(8, 20)))  # fmt: skip
    found = taken(tmp_path)
    assert found.prices == [str(number) for number in range(1, 20)]
    assert all(trade_id.endswith("-0") for trade_id in found.ids)


def test_file_without_ids_inside_one_with_ids_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "BTCUSD-a.csv", "time,price,qty", f"{T0 + 5},77,1", f"{T0 + 30},78,1")
    written(tmp_path / "BTCUSD-b.csv", "time,price,qty,id",
            *(f"{T0 + n},{n},1,{n}" for n in range(8, 20)))  # fmt: skip
    with pytest.raises(DisorderError, match=r"BTCUSD-a.csv .* and BTCUSD-b.csv .*overlap"):
        taken(tmp_path)


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("from_second", [0, 20])
def test_newest_first_file_is_turned_around(tmp_path: Path, ids: bool, from_second: int) -> None:
    row = with_id if ids else without_id
    count = 40 if ids else 120
    written(tmp_path / "BTCUSD.csv", *map(row, reversed(range(1, count))))
    written(tmp_path / "sorted" / "BTCUSD.csv", *map(row, range(1, count)))
    from_us = (T0 + from_second) * 1_000_000
    found = taken(tmp_path / "BTCUSD.csv", from_us=from_us)
    assert found.table.equals(taken(tmp_path / "sorted", from_us=from_us).table)
    assert found.table.height > 10


def test_shuffled_file_is_sorted_by_its_ids(tmp_path: Path) -> None:
    numbers = list(range(1, 500))
    random.Random(3).shuffle(numbers)
    written(tmp_path / "BTCUSD.csv", *map(with_id, numbers))
    assert taken(tmp_path).ids == [str(number) for number in range(1, 500)]


def test_step_back_behind_the_first_block_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_FIRST_BLOCK_BYTES", 1_000)
    written(tmp_path / "BTCUSD.csv", *map(with_id, [*range(1, 500), 20]))
    with pytest.raises(DisorderError, match=r"BTCUSD.csv: its trades are not in order"):
        taken(tmp_path)


def test_files_cut_within_a_second_are_joined_there(tmp_path: Path) -> None:
    written(tmp_path / "XBTUSD-a.csv", *map(without_id, range(100)))
    written(tmp_path / "XBTUSD-b.csv", *map(without_id, range(98, 200)))
    written(tmp_path / "whole" / "XBTUSD.csv", *map(without_id, range(200)))
    assert taken(tmp_path).table.equals(taken(tmp_path / "whole").table)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 250), st.integers(1, 120)), min_size=1, max_size=7),
    st.booleans(),
    st.sampled_from((700, 1 << 20)),
)
def test_any_cuts_of_a_history_give_it_back(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[tuple[int, int]],
    ids: bool,
    block: int,
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    row = with_id if ids else without_id
    begin = min(first for first, _ in cuts)
    end = max(first + length for first, length in cuts)
    pieces = [*cuts, (begin, end - begin)]
    if not ids:
        # Whole seconds: equal trades of one moment have nothing else to tell them apart.
        pieces = [(first // 3 * 3, -(-length // 3) * 3) for first, length in pieces]
    for name, (first, length) in zip(names(len(pieces)), pieces, strict=True):
        written(folder / name, *map(row, range(first, first + length)))
    written(folder / "whole" / "BTCUSD.csv", *map(row, sorted(
        {n for first, length in pieces for n in range(first, first + length)}
    )))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_FIRST_BLOCK_BYTES", block)
        patch.setattr(delimited, "_BLOCK_BYTES", block)
        assert taken(folder).table.equals(taken(folder / "whole").table)


def test_ids_made_for_trades_do_not_depend_on_the_period(tmp_path: Path) -> None:
    written(tmp_path / "XBTUSD.csv", *map(without_id, range(300)))
    whole = taken(tmp_path).ids
    assert taken(tmp_path, from_us=(T0 + 50) * 1_000_000).ids == whole[150:]
