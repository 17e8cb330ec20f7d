"""When a batch is due, and which offsets may be committed for it."""

from feature_writer.batch import Batch
from support.candle_records import candle


def _offsets(batch: Batch) -> dict[int, int]:
    return {each.partition: each.offset for each in batch.offsets("ohlc")}


def test_offset_to_commit_is_the_one_behind_the_last_record_read() -> None:
    batch = Batch()
    batch.advance(0, 5, now=1.0)
    batch.advance(0, 6, now=2.0)
    batch.advance(3, 1, now=2.0)
    assert _offsets(batch) == {0: 6, 3: 1}


def test_batch_waits_no_longer_than_its_oldest_part_may() -> None:
    batch = Batch()
    assert not batch.is_due(100.0, size=10, seconds=0.5)
    batch.advance(0, 1, now=1.0)
    batch.advance(0, 2, now=1.4)
    assert not batch.is_due(1.4, size=10, seconds=0.5)
    assert batch.is_due(1.5, size=10, seconds=0.5)


def test_full_batch_is_due_at_once() -> None:
    batch = Batch()
    batch.candles.extend([candle(0), candle(1)])
    batch.advance(0, 2, now=1.0)
    assert batch.is_due(1.0, size=2, seconds=60)


def test_reaching_a_known_end_again_is_no_news() -> None:
    batch = Batch()
    batch.advance(0, 5, now=1.0)
    batch.committed()
    batch.advance(0, 5, now=2.0)
    assert batch.since is None
    assert _offsets(batch) == {}


def test_offsets_of_a_lost_partition_are_forgotten_but_its_candles_stay() -> None:
    batch = Batch()
    batch.candles.append(candle())
    batch.advance(0, 5, now=1.0)
    batch.advance(1, 7, now=1.0)
    batch.forget(0)
    assert _offsets(batch) == {1: 7}
    assert batch.candles == [candle()]


def test_partition_that_comes_back_is_read_from_an_earlier_offset() -> None:
    batch = Batch()
    batch.advance(0, 5, now=1.0)
    batch.committed()
    batch.forget(0)
    batch.advance(0, 3, now=2.0)
    assert _offsets(batch) == {0: 3}
