"""No row says that it was stored before everyone could read it."""

from hypothesis import given
from hypothesis import strategies as st

from ohlc_features.sql.stamps import Stamps


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30))
def test_stamp_is_later_than_the_millisecond_of_the_commit(writes: list[tuple[int, int]]) -> None:
    now = 1_000
    stamps = Stamps(lambda: now)
    for pause, took in writes:
        now += pause
        stamp = stamps.next()
        now += took
        assert (stamps.late() or stamp) > now
