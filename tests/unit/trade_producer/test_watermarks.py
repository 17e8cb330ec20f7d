"""A quiet product's windows close by a watermark at their end plus grace, and by no other."""

from ohlc_core.domain.interval import Interval
from trade_producer.watermarks import Watermarks, WindowEnds

S = 1_000_000
MINUTE = 60 * S


def watermarks(*intervals: str) -> Watermarks:
    return Watermarks([Interval.parse(text) for text in intervals or ("1m",)], S)


def test_none_is_due_before_anything_is_in_the_topic() -> None:
    assert watermarks().due_us(10 * MINUTE) is None


def test_it_is_due_once_the_end_and_the_grace_have_passed() -> None:
    quiet = watermarks()
    quiet.reach(30 * S)
    assert quiet.due_us(MINUTE + S - 1) is None
    assert quiet.due_us(MINUTE + S) == MINUTE + S


def test_a_trade_inside_the_grace_does_not_close_the_window() -> None:
    quiet = watermarks()
    quiet.reach(MINUTE + S // 2)
    assert quiet.due_us(MINUTE + 2 * S) == MINUTE + S


def test_a_trade_past_the_grace_makes_it_needless() -> None:
    busy = watermarks()
    busy.reach(MINUTE + S)
    assert busy.due_us(MINUTE + 30 * S) is None


def test_each_boundary_yields_one() -> None:
    quiet = watermarks()
    quiet.reach(30 * S)
    for minute in (1, 2, 3):
        due = quiet.due_us(minute * MINUTE + 2 * S)
        assert due == minute * MINUTE + S
        quiet.reach(due)
        assert quiet.due_us(minute * MINUTE + 3 * S) is None


def test_a_long_absence_yields_only_the_last_boundary() -> None:
    quiet = watermarks()
    quiet.reach(30 * S)
    assert quiet.due_us(60 * MINUTE + 5 * S) == 60 * MINUTE + S


def test_intervals_that_do_not_nest_all_have_their_boundaries() -> None:
    quiet = watermarks("2m", "5m")
    quiet.reach(4 * MINUTE + 10 * S)
    assert quiet.due_us(5 * MINUTE + S) == 5 * MINUTE + S


def test_a_new_beginning_closes_nothing_before_it() -> None:
    fresh = watermarks()
    fresh.begin(10 * MINUTE)
    assert fresh.due_us(10 * MINUTE + 5 * S) is None
    assert fresh.due_us(11 * MINUTE + S) == 11 * MINUTE + S


def test_sign_of_life_needs_no_boundary_and_closes_no_window_early() -> None:
    watermarks = Watermarks([Interval.parse("1m")], 1_000_000)
    watermarks.reach(121_000_000)
    assert watermarks.due_us(130_000_000) is None
    assert watermarks.now_us(130_000_000) == 129_000_000
    assert watermarks.now_us(120_500_000) is None


def test_each_window_end_passes_once_and_after_the_grace() -> None:
    ends = WindowEnds([Interval.parse("1m"), Interval.parse("90s")], S)
    assert ends.have_passed(MINUTE)  # nothing is known of the time before
    assert not ends.have_passed(MINUTE + S - 1)
    assert ends.seconds_left(MINUTE + S // 2) == 0.5
    assert ends.have_passed(MINUTE + S)
    assert not ends.have_passed(MINUTE + S)
    assert ends.seconds_left(MINUTE + S) == 30.0
    assert ends.have_passed(MINUTE + 31 * S)
    assert ends.seconds_left(2 * MINUTE + 2 * S) == 0.0
