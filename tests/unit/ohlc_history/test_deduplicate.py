import polars as pl
import pytest

from ohlc_exchanges.base import Position
from ohlc_history.deduplicate import DisorderError, IdGap, TradeOrder
from ohlc_history.trade_table import TRADE_TABLE


def table(*rows: tuple[str, int]) -> pl.DataFrame:
    cells = [(trade_id, "1", "1", "buy", time) for trade_id, time in rows]
    return pl.DataFrame(cells, schema=TRADE_TABLE, orient="row")


def counted(*ids: int) -> pl.DataFrame:
    return table(*((str(number), 1_000 + number) for number in ids))


def taken(order: TradeOrder, part: str, rows: pl.DataFrame) -> list[str]:
    return order.take(part, rows).table["trade_id"].to_list()


class TestByCountedIds:
    def test_overlapping_parts_give_each_trade_once(self) -> None:
        order = TradeOrder(by_id=True)
        assert taken(order, "1", counted(1, 2, 3)) == ["1", "2", "3"]
        assert taken(order, "2", counted(2, 3, 4)) == ["4"]
        assert order.repeated == 2

    def test_a_trade_written_twice_in_a_row_counts_once(self) -> None:
        order = TradeOrder(by_id=True)
        assert taken(order, "1", counted(1, 2, 2, 3)) == ["1", "2", "3"]
        assert order.repeated == 1

    def test_ids_decide_where_times_step_back(self) -> None:
        order = TradeOrder(by_id=True)
        assert taken(order, "1", table(("1", 20), ("2", 19))) == ["1", "2"]

    @pytest.mark.parametrize("parts", [1, 2])
    def test_ids_that_begin_again_are_no_repeats(self, parts: int) -> None:
        order = TradeOrder(by_id=True)
        before, behind = ("500", 10_000_000), ("1", 20_000_000)
        if parts == 2:
            order.take("before", table(before))
        last = table(behind) if parts == 2 else table(before, behind)
        with pytest.raises(DisorderError, match=r"trade id 1 at 20000000 us .* began again"):
            order.take("last", last)

    def test_ids_that_begin_again_behind_an_interruption_are_no_repeats(self) -> None:
        order = TradeOrder(by_id=True, after=Position("500", 10_000_000))
        with pytest.raises(DisorderError, match="began again"):
            order.take("1", table(("1", 20_000_000)))

    def test_ids_are_numbers_not_text(self) -> None:
        order = TradeOrder(by_id=True)
        assert taken(order, "1", counted(9, 10)) == ["9", "10"]

    @pytest.mark.parametrize("batches", [[(5, 4)], [(5, 6), (4, 7)]])
    def test_a_step_back_inside_a_part_is_reported(self, batches: list[tuple[int, ...]]) -> None:
        order = TradeOrder(by_id=True)
        for batch in batches[:-1]:
            order.take("part 1", counted(*batch))
        with pytest.raises(DisorderError, match=r"part 1: trade id 4 stands after .; sort it"):
            order.take("part 1", counted(*batches[-1]))

    def test_skipped_ids_are_reported_where_they_are_missing(self) -> None:
        order = TradeOrder(by_id=True)
        assert order.take("1", counted(1, 2, 5, 6)).gaps == [IdGap(2, 3, 4)]
        assert order.take("1", counted(9)).gaps == [IdGap(0, 7, 8)]

    def test_a_part_that_fills_what_an_earlier_one_skipped_is_no_repeat(self) -> None:
        order = TradeOrder(by_id=True)
        order.take("1", counted(1, 2, 5))
        with pytest.raises(DisorderError, match=r"2: holds trade id 3, which an earlier part"):
            order.take("2", counted(2, 3, 4, 5, 6))

    def test_an_interrupted_run_goes_on_behind_the_last_trade(self) -> None:
        order = TradeOrder(by_id=True, after=Position("3", 1_003))
        assert taken(order, "1", counted(1, 2)) == []
        fresh = order.take("1", counted(3, 4, 5))
        assert fresh.table["trade_id"].to_list() == ["4", "5"]
        assert fresh.gaps == []

    def test_an_id_that_is_no_number_among_numbers_is_reported(self) -> None:
        order = TradeOrder(by_id=True)
        with pytest.raises(DisorderError, match="trade id 'x' is no number"):
            order.take("1", table(("1", 1), ("x", 2)))


class TestByTime:
    def test_overlapping_parts_give_each_trade_once(self) -> None:
        order = TradeOrder(by_id=False)
        assert taken(order, "1", table(("a", 1), ("b", 2), ("c", 2))) == ["a", "b", "c"]
        assert taken(order, "2", table(("b", 2), ("c", 2), ("d", 2), ("e", 3))) == ["d", "e"]

    def test_one_microsecond_over_several_batches(self) -> None:
        order = TradeOrder(by_id=False)
        assert taken(order, "1", table(("a", 1), ("b", 1))) == ["a", "b"]
        assert taken(order, "1", table(("c", 1))) == ["c"]
        assert taken(order, "2", table(("a", 1), ("b", 1), ("c", 1))) == []

    @pytest.mark.parametrize("batches", [[(5, 4)], [(5, 6), (4, 7)]])
    def test_a_step_back_inside_a_part_is_reported(self, batches: list[tuple[int, ...]]) -> None:
        order = TradeOrder(by_id=False)
        parts = [table(*((str(time), time) for time in batch)) for batch in batches]
        for part in parts[:-1]:
            order.take("part 1", part)
        with pytest.raises(DisorderError, match=r"part 1: the time 4 us stands after . us; sort"):
            order.take("part 1", parts[-1])

    def test_an_interrupted_run_goes_on_behind_the_last_trade(self) -> None:
        order = TradeOrder(by_id=False, after=Position("2-1", 2))
        assert taken(order, "1", table(("1-0", 1), ("2-0", 2))) == []
        assert taken(order, "1", table(("2-1", 2), ("2-2", 2), ("3-0", 3))) == ["2-2", "3-0"]

    def test_a_source_that_lost_the_last_trade_is_reported(self) -> None:
        order = TradeOrder(by_id=False, after=Position("2-1", 2))
        with pytest.raises(DisorderError, match="no longer there; give another RUN_ID"):
            order.take("1", table(("2-0", 2), ("3-0", 3)))
