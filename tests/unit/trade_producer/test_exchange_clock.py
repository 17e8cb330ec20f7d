"""The exchange's time is what the exchange said; where it says nothing, an estimate that lags."""

from trade_producer.exchange_clock import ExchangeClock

S = 1_000_000


def test_a_told_time_is_certain_and_does_not_run_on_by_the_local_clock() -> None:
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


def test_trade_times_carry_on_by_the_steady_clock_where_none_is_told() -> None:
    clock = ExchangeClock(provides_server_time=False)
    clock.trade_seen(100 * S, 10 * S)
    clock.trade_seen(101 * S, 12 * S)  # a second late: the earlier sign is nearer the truth
    assert clock.certain_us(15 * S) == 105 * S


def test_one_trade_from_the_future_moves_no_clock() -> None:
    clock = ExchangeClock(provides_server_time=False)
    clock.trade_seen(100 * S, 10 * S)
    clock.trade_seen(100_000 * S, 11 * S)
    assert clock.certain_us(11 * S) == 101 * S


def test_many_trades_that_agree_do() -> None:
    clock = ExchangeClock(provides_server_time=False)
    clock.trade_seen(100 * S, 10 * S)
    for second in range(20):
        clock.trade_seen((1_000 + second) * S, (11 + second) * S)
    assert clock.certain_us(30 * S) == 1_019 * S
