"""The position is behind the last record taken in order, and nothing passed over is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from ohlc_core.kafka.positions import ReadPositions


@given(st.integers(0, 50), st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=40))
def test_every_offset_below_the_position_was_taken_or_is_a_skip(
    start: int, steps: list[tuple[bool, int]]
) -> None:
    positions = ReadPositions()
    positions.start(0, start)
    taken: set[int] = set()
    for is_record, offset in steps:
        if is_record:
            assert positions.take(0, offset)
            taken.add(offset)
        else:
            positions.reach(0, offset)
    skipped = {each for skip in positions.skips() for each in range(skip.first, skip.end)}
    position = positions.all()[0]
    assert set(range(start, position)) <= taken | skipped
    assert max(taken, default=-1) < max(position, start) or position > max(taken, default=-1)


@given(st.integers(0, 50), st.integers(0, 50))
def test_partition_that_is_not_read_takes_nothing(start: int, offset: int) -> None:
    positions = ReadPositions()
    positions.start(0, start)
    positions.take(0, start + 5)
    positions.forget(0)
    assert not positions.take(0, offset)
    assert positions.skips() == []
    assert positions.all() == {}
