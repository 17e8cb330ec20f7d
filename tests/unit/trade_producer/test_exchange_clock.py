"""The exchange's time is what the exchange said; where it says nothing, an estimate that lags."""

from trade_producer.exchange_clock import ExchangeClock

S = 1_000_000


def test_reported_time_is_certain_and_does_not_run_on_by_the_local_clock() -> None:
    clock = ExchangeClock(provides_server_time=True)
    clock.reported(100 * S, 5 * S)
    assert clock.certain_us(65 * S) == 100 * S
    assert clock.estimate_us(65 * S) == 160 * S


def test_time_never_goes_back() -> None:
    clock = ExchangeClock(provides_server_time=True)
    clock.reported(100 * S, 5 * S)
    clock.reported(90 * S, 6 * S)
    assert clock.certain_us(6 * S) == 100 * S


def test_nothing_is_certain_before_the_first_sign() -> None:
    assert ExchangeClock(provides_server_time=True).certain_us(1) is None
    assert ExchangeClock(provides_server_time=False).certain_us(1) is None


def test_trade_times_run_on_by_the_monotonic_clock_where_none_is_reported() -> None:
    clock = ExchangeClock(provides_server_time=False)
    clock.trade_seen(100 * S, 10 * S)
    clock.trade_seen(101 * S, 12 * S)  # a second late: the earlier sign is nearer the truth
    assert clock.certain_us(15 * S) == 105 * S


def test_clock_ignores_one_trade_from_the_future() -> None:
    clock = ExchangeClock(provides_server_time=False)
    clock.trade_seen(100 * S, 10 * S)
    clock.trade_seen(100_000 * S, 11 * S)
    assert clock.certain_us(11 * S) == 101 * S


def test_clock_follows_jump_after_twenty_consistent_trades() -> None:
    clock = ExchangeClock(provides_server_time=False)
    clock.trade_seen(100 * S, 10 * S)
    for second in range(20):
        clock.trade_seen((1_000 + second) * S, (11 + second) * S)
    assert clock.certain_us(30 * S) == 1_019 * S


YEAR_9000_US = 221_845_392_000 * S


def test_clock_ignores_one_report_from_the_future_and_follows_three() -> None:
    clock = ExchangeClock(provides_server_time=True, local_offset_us=lambda: 90 * S)
    clock.reported(100 * S, 10 * S)
    clock.reported(4_000 * S, 11 * S)
    clock.reported(102 * S, 12 * S)
    assert clock.certain_us(12 * S) == 102 * S
    for second in range(3):
        clock.reported((4_000 + second) * S, (13 + second) * S)
    assert clock.certain_us(15 * S) == 4_002 * S


def test_clock_follows_reports_of_a_recording_played_at_high_speed() -> None:
    clock = ExchangeClock(provides_server_time=True, local_offset_us=lambda: 1_000_000 * S)
    for second in range(5):
        clock.reported(600 * second * S, second * S)
        assert clock.certain_us(second * S) == 600 * second * S


def test_clock_follows_reports_that_run_ahead_of_this_machine() -> None:
    clock = ExchangeClock(provides_server_time=True, local_offset_us=lambda: 0)
    for second in range(1, 4):
        clock.reported(600 * second * S, second * S)
    assert clock.certain_us(3 * S) == 1_800 * S


def test_clock_never_believes_a_time_a_day_ahead_of_this_machine() -> None:
    for provides in (True, False):
        clock = ExchangeClock(provides_server_time=provides, local_offset_us=lambda: 0)
        for second in range(30):
            clock.reported(YEAR_9000_US + second * S, second * S)
            clock.trade_seen(YEAR_9000_US + second * S, second * S)
        assert clock.certain_us(30 * S) is None


def test_first_time_ahead_of_this_machine_needs_consistent_reports() -> None:
    clock = ExchangeClock(provides_server_time=True, local_offset_us=lambda: 0)
    clock.reported(3_600 * S, 0)
    assert clock.certain_us(0) is None
    clock.reported(3_601 * S, S)
    clock.reported(3_602 * S, 2 * S)
    assert clock.certain_us(2 * S) == 3_602 * S
