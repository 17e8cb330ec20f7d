from ohlc_aggregator.removed_records import Bounds, RemovedRecords
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import MemoryStore
from support.candles import KEY, T0, rules, trade


class Partition:
    """A partition, the state beside it, and one product that survives restarts with its state."""

    def __init__(self) -> None:
        self.low, self.high, self.topic_id = 0, 1_000, "one"
        self.state, self.store = MemoryStore(), MemoryStore()
        self.restart(-1)

    def restart(self, committed: int, metadata: str = "") -> int | None:
        self.removed = RemovedRecords(
            "trades", lambda _partition: Bounds(self.low, self.high), self.topic_id
        )
        self.product = ProductCandles(KEY, rules(), self.store, sequential=True)
        return self.removed.assigned(0, committed, metadata, Bounds(self.low, self.high))

    def notices(self, offset: int, *, begins: bool = False) -> bool:
        self.removed.read(0, offset, self.state, T0 // 1_000)
        return self.removed.concerns(0, self.state, self.product, begins=begins)

    def checkpoint(self) -> None:
        self.product.on_trades([trade(1, T0)])
        self.product.save()


def test_records_one_behind_the_other_are_no_removal() -> None:
    partition = Partition()
    assert not partition.notices(0)
    assert not partition.notices(1)
    assert partition.removed.report() == []


def test_a_jump_over_offsets_that_hold_no_records_is_no_removal() -> None:
    partition = Partition()
    assert not partition.notices(0)
    assert not partition.notices(2)


def test_a_committed_offset_that_is_gone_is_a_removal_and_moved_first() -> None:
    partition = Partition()
    partition.notices(0)
    partition.checkpoint()
    partition.low = 50
    assert partition.restart(10) == 50
    assert partition.notices(50)
    assert not partition.notices(51)
    (found,) = partition.removed.report()
    assert (found["first_offset"], found["last_offset"]) == (10, 49)
    assert found["repair"] == "from_day=2026-09-22 to_day=2026-09-23 make backfill"


def test_a_crash_before_the_first_checkpoint_behind_a_removal_forgets_nothing() -> None:
    partition = Partition()
    partition.notices(0)
    partition.checkpoint()
    partition.low = 50
    assert partition.restart(10) == 50
    assert partition.restart(50, "read-up-to:10") is None
    assert partition.notices(50)


def test_a_product_that_was_quiet_learns_of_a_removal_with_its_next_record() -> None:
    partition = Partition()
    partition.notices(0)
    partition.checkpoint()
    partition.low = 50
    partition.restart(10)
    partition.removed.read(0, 50, partition.state, T0 // 1_000)  # of another product
    partition.restart(51)
    assert partition.notices(51)
    assert not partition.notices(52)


def test_records_removed_while_reading_are_a_removal() -> None:
    partition = Partition()
    partition.notices(0)
    partition.low = 30
    assert partition.notices(40)


def test_a_topic_that_was_made_again_is_a_removal() -> None:
    partition = Partition()
    partition.notices(700)
    partition.checkpoint()
    partition.high = 5
    assert partition.restart(701) == 0
    assert partition.notices(0)


def test_a_new_product_of_a_partition_without_its_beginning_begins_in_a_gap() -> None:
    partition = Partition()
    partition.low = 30
    partition.restart(-1)
    assert partition.notices(30)
    partition = Partition()
    partition.low = 30
    partition.restart(-1)
    assert not partition.notices(30, begins=True)


def test_topic_made_again_with_as_many_records_is_a_removal() -> None:
    partition = Partition()
    partition.notices(0)
    partition.checkpoint()
    partition.topic_id = "another"
    assert partition.restart(1) is None
    assert partition.notices(1)
    assert not partition.notices(2)
    (found,) = partition.removed.report()
    assert "was made again" in found["message"]
    partition.product.save()
    assert partition.restart(3) is None
    assert not partition.notices(3)


def test_broker_without_topic_ids_says_nothing_of_a_topic_made_again() -> None:
    partition = Partition()
    partition.notices(0)
    partition.checkpoint()
    partition.topic_id = ""
    partition.restart(1)
    assert not partition.notices(1)
