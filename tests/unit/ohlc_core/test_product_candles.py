"""The candle rules, one by one."""

import json
from decimal import Decimal

import pytest

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.product_state import STATE_VERSION, NewerStateError
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.trade import ProductKey
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, Driver, newest, rules, trade

MS = 1_000


def test_a_window_closes_when_the_watermark_passes_its_end_and_grace() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    assert driver.watermark(T0 + MINUTE + SECOND - 1) == []
    (candle,) = driver.watermark(T0 + MINUTE + SECOND)
    assert (candle.window_start_ms, candle.window_end_ms) == (T0 // MS, (T0 + MINUTE) // MS)


def test_a_trade_on_the_boundary_belongs_to_the_next_window() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0 + MINUTE - 1), trade(2, T0 + MINUTE))
    candles = driver.watermark(T0 + HOUR)
    assert [candle.last_trade_id for candle in candles] == ["1", "2"]


def test_event_time_of_trades_closes_windows_without_watermark_records() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    assert len(driver.trades(trade(2, T0 + MINUTE + SECOND))) == 1


def test_open_and_close_follow_sequential_ids_not_time() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(2, T0 + 5, "20"), trade(1, T0 + 6, "10"))
    (candle,) = driver.watermark(T0 + HOUR)
    assert (candle.open, candle.close) == (10, 20)


def test_open_and_close_follow_time_then_id_where_ids_are_shared_between_products() -> None:
    driver = Driver(rules("1m"), ProductKey("bitstamp", "BTC/USD"))
    driver.trades(trade(9, T0 + 5, "20"), trade(1, T0 + 6, "10"), trade(10, T0 + 6, "30"))
    (candle,) = driver.watermark(T0 + HOUR)
    assert (candle.open, candle.close) == (20, 30)


def test_made_ids_order_by_time_and_ordinal() -> None:
    driver = Driver(rules("1m"))
    ids = [f"{T0 + 1}-10", f"{T0 + 1}-9", f"{T0}-1"]
    for number, trade_id in enumerate(ids):
        driver.trades(trade(trade_id, int(trade_id.split("-")[0]), str(number + 1)))
    (candle,) = driver.watermark(T0 + HOUR)
    assert (candle.open, candle.close) == (3, 1)


def test_vwap_is_rounded_half_even_to_twelve_digits_and_everything_else_is_exact() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0, "0.1", "0.2"), trade(2, T0, "0.3", "0.1", "sell"))
    (candle,) = driver.watermark(T0 + HOUR)
    assert (candle.volume, candle.buy_volume) == (Decimal("0.3"), Decimal("0.2"))
    assert candle.vwap == Decimal("0.166666666667")


def test_a_window_without_volume_has_its_close_as_vwap() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0, "7", "0"))
    (candle,) = driver.watermark(T0 + HOUR)
    assert (candle.vwap, candle.volume, candle.trade_count) == (7, 0, 1)


def test_a_late_trade_gives_the_corrected_candle_as_the_next_revision() -> None:
    driver = Driver(rules("1m", "5m"))
    driver.trades(trade(1, T0, "10"), trade(3, T0 + 2 * MINUTE, "10"))
    (candle,) = driver.trades(trade(2, T0 + 1, "99"))
    assert (candle.revision, candle.high, candle.close, candle.interval) == (1, 99, 99, "1m")
    assert driver.output.late == 1


def test_a_late_trade_into_a_window_without_candle_gives_revision_0() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0), trade(3, T0 + 5 * MINUTE))
    (candle,) = driver.trades(trade(2, T0 + MINUTE))
    assert candle.revision == 0


def test_a_trade_behind_its_retention_is_rejected_and_counts_nowhere() -> None:
    driver = Driver(rules("1m", retention="1h"))
    driver.trades(trade(2, T0 + HOUR + 5 * MINUTE))
    assert driver.trades(trade(1, T0)) == []
    (rejected,) = driver.output.rejected
    assert (rejected.reason, rejected.trade.trade_id) == ("too-late", "1")


def test_a_trade_too_late_for_one_interval_still_counts_for_the_longer_one() -> None:
    driver = Driver(rules("1m", "1d", retention="1m"))
    driver.trades(trade(2, T0 + HOUR), trade(1, T0))
    assert "for 1m" in driver.output.rejected[0].detail
    by_window = newest(driver.watermark(T0 + 25 * HOUR))
    assert by_window["1d", T0 // MS].trade_count == 2


def test_a_stream_that_starts_inside_a_window_leaves_it_incomplete() -> None:
    driver = Driver(rules("1m", "1h"))
    driver.start(T0 + MINUTE + 1)
    driver.trades(trade(1, T0 + MINUTE + 5), trade(2, T0 + 2 * MINUTE))
    candles = newest(driver.watermark(T0 + 2 * HOUR))
    complete = {key: candle.complete for key, candle in candles.items()}
    assert complete == {
        ("1m", (T0 + MINUTE) // MS): False,
        ("1m", (T0 + 2 * MINUTE) // MS): True,
        ("1h", T0 // MS): False,
    }


def test_a_stream_that_starts_on_a_boundary_is_whole_from_there() -> None:
    driver = Driver(rules("1m"))
    driver.start(T0)
    driver.trades(trade(1, T0 + 5))
    assert driver.watermark(T0 + HOUR)[0].complete


def test_a_stream_that_starts_anew_leaves_the_windows_it_missed_incomplete() -> None:
    driver = Driver(rules("1m"))
    driver.start(T0)
    driver.trades(trade(1, T0 + MINUTE), trade(2, T0 + 2 * MINUTE + 5))
    driver.start(T0 + 4 * MINUTE + 5)
    driver.trades(trade(9, T0 + 4 * MINUTE + 9), trade(10, T0 + 5 * MINUTE))
    candles = newest(driver.watermark(T0 + HOUR) + driver.output.candles)
    complete = [candle.complete for _, candle in sorted(candles.items())]
    assert complete == [True, False, False, True]


def test_every_window_between_the_trades_around_a_gap_is_incomplete() -> None:
    driver = Driver(rules("1m", fill=True))
    driver.start(T0)
    driver.trades(trade(1, T0), trade(2, T0 + MINUTE))
    driver.gap(3, 5)
    driver.trades(trade(6, T0 + 3 * MINUTE), trade(7, T0 + 4 * MINUTE))
    driver.watermark(T0 + 6 * MINUTE)
    candles = newest(driver.output.candles)
    complete = [candle.complete for _, candle in sorted(candles.items())]
    assert complete == [True, False, False, False, True]


def test_gap_reported_after_its_windows_closed_corrects_them() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    driver.watermark(T0 + 3 * MINUTE)
    driver.gap(2, 3)
    driver.trades(trade(4, T0 + 3 * MINUTE + 5))
    candle = newest(driver.output.candles)["1m", T0 // MS]
    assert (candle.revision, candle.complete) == (1, False)


def test_gap_that_is_read_again_changes_nothing() -> None:
    driver = Driver(rules("1s"))
    driver.trades(*(trade(id_, T0 + id_ * SECOND) for id_ in range(1, 5)))
    driver.gap(5, 6)
    driver.trades(*(trade(id_, T0 + id_ * SECOND) for id_ in range(7, 12)))
    driver.restart()
    before = newest(driver.output.candles)
    assert {start for (_, start), each in before.items() if not each.complete} == {
        T0 // 1_000 + seconds * 1_000 for seconds in (4, 7)
    }
    assert driver.gap(5, 6) == []
    driver.trades(*(trade(id_, T0 + id_ * SECOND) for id_ in range(7, 13)))
    after = newest(driver.output.candles)
    assert {key: after[key] for key in before} == before


def test_gap_of_ids_that_began_again_is_another_one() -> None:
    driver = Driver(rules("1s"))
    driver.trades(*(trade(id_, T0 + id_ * SECOND) for id_ in range(1, 5)))
    driver.gap(5, 6)
    driver.trades(trade(7, T0 + 7 * SECOND))
    driver.start(T0 + 20 * SECOND)
    again = [trade(id_, T0 + (20 + id_) * SECOND) for id_ in range(1, 5)]
    driver.trades(*again)
    driver.gap(5, 6)
    driver.trades(*(trade(id_, T0 + (20 + id_) * SECOND) for id_ in range(7, 12)))
    incomplete = {
        start // 1_000 - T0 // SECOND
        for (_, start), each in newest(driver.output.candles).items()
        if not each.complete
    }
    assert {24, 27} <= incomplete
    assert not incomplete & {22, 23, 28, 29}


def test_noted_gaps_are_forgotten_with_the_memory_of_ids() -> None:
    driver = Driver(rules("1s", retention="10s"))
    id_ = 0
    for _ in range(200):
        id_ += 2
        driver.gap(id_ - 1, id_ - 1)
        driver.trades(trade(id_, T0 + id_ * SECOND))
    driver.product.save()
    state = json.loads(driver.store.get("product") or b"")
    assert 0 < len(state["noted_gaps"]) < 20


def test_windows_that_close_while_a_gap_is_open_are_incomplete() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    driver.gap(2, 3)
    (candle,) = driver.watermark(T0 + 2 * MINUTE)
    assert not candle.complete


def test_the_end_of_a_replay_closes_everything_without_grace() -> None:
    driver = Driver(rules("1m", "5m"))
    driver.trades(trade(1, T0))
    candles = driver.watermark(T0 + 5 * MINUTE, final=True)
    assert [(c.interval, c.complete) for c in candles] == [("1m", True), ("5m", True)]


def test_a_window_cut_by_the_end_of_a_replay_is_emitted_incomplete() -> None:
    driver = Driver(rules("1m", "5m"))
    driver.trades(trade(1, T0))
    candles = driver.watermark(T0 + MINUTE, final=True)
    assert [(c.interval, c.complete) for c in candles] == [("1m", True), ("5m", False)]


def test_a_repeated_end_of_a_replay_changes_nothing() -> None:
    driver = Driver(rules("1m", "5m"))
    driver.trades(trade(1, T0))
    driver.watermark(T0 + MINUTE, final=True)
    assert driver.watermark(T0 + MINUTE, final=True) == []


def test_a_stream_that_goes_on_after_a_replay_completes_the_cut_window() -> None:
    driver = Driver(rules("1m", "5m"))
    driver.trades(trade(1, T0))
    driver.watermark(T0 + 2 * MINUTE, final=True)
    driver.trades(trade(2, T0 + 3 * MINUTE))
    candles = newest(driver.watermark(T0 + 10 * MINUTE))
    assert (candles["5m", T0 // MS].revision, candles["5m", T0 // MS].complete) == (1, True)
    assert candles["5m", T0 // MS].trade_count == 2
    assert candles["1m", (T0 + 3 * MINUTE) // MS].complete


def test_a_trade_of_a_window_closed_by_a_replay_is_late() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    driver.watermark(T0 + MINUTE, final=True)
    (candle,) = driver.trades(trade(2, T0 + 1))
    assert (candle.revision, candle.trade_count) == (1, 2)


def test_trades_in_the_future_are_rejected_and_move_no_watermark() -> None:
    driver = Driver(rules("1m"))
    output = driver.product.on_trades([trade(1, T0), trade(2, T0 + HOUR)], T0 + MINUTE)
    assert [rejected.reason for rejected in output.rejected] == ["too-early"]
    assert driver.product.watermark_us == T0


@pytest.mark.parametrize(
    ("price", "quantity"), [("0", "1"), ("-1", "1"), ("1", "-1"), ("NaN", "1"), ("1e40", "1")]
)
def test_trades_that_are_none_are_rejected(price: str, quantity: str) -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0, price, quantity), trade(2, T0))
    assert [rejected.reason for rejected in driver.output.rejected] == ["malformed"]
    assert driver.watermark(T0 + HOUR)[0].trade_count == 1


def test_state_does_not_grow_with_time() -> None:
    driver = Driver(rules("1m", "5m", retention="5m"))
    sizes = []
    for minute in range(600):
        driver.trades(*(trade(minute * 3 + n, T0 + minute * MINUTE + n) for n in range(3)))
        if minute % 10 == 0:
            driver.restart()
            sizes.append(sum(map(len, driver.store.values())))
    assert max(sizes[30:]) <= max(sizes[10:30]) * 1.1
    assert len(driver.store) < 40


def test_an_interval_added_later_begins_with_its_next_whole_window() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0 + 5))
    driver.product.save()
    later = Driver(rules("1m", "5m"))
    later.store.update(driver.store)
    later.product = ProductCandles(KEY, later.rules, later.store, sequential=True)
    later.trades(trade(2, T0 + 6), trade(3, T0 + 6 * MINUTE))
    candles = newest(later.output.candles + later.watermark(T0 + 20 * MINUTE))
    assert candles["1m", T0 // MS].complete
    assert not candles["5m", T0 // MS].complete
    assert candles["5m", (T0 + 5 * MINUTE) // MS].complete


def test_rules_refuse_intervals_given_twice() -> None:
    with pytest.raises(ValueError, match="distinct"):
        CandleRules([Interval.parse("60s"), Interval.parse("1m")])


def test_a_record_far_ahead_gives_its_flat_candles_in_parts() -> None:
    driver = Driver(rules("1s", fill=True))
    driver.trades(trade(1, T0))
    output = driver.product.on_watermark(T0 + 100_000 * SECOND)
    sizes = [len(output.candles)]
    while (more := driver.product.more()) is not None:
        sizes.append(len(more.candles))
    assert sum(sizes) == 100_000 - 1
    assert max(sizes) <= 5_001


def test_a_window_that_a_watermark_had_closed_becomes_incomplete_with_the_gap() -> None:
    driver = Driver(rules("1m", fill=True))
    driver.trades(trade(1, T0))
    driver.watermark(T0 + 3 * MINUTE + SECOND)
    revised = driver.gap(2, 3)
    assert [(c.window_start_ms - T0 // MS, c.complete, c.revision) for c in revised] == [
        (0, False, 1),
        (60_000, False, 1),
        (120_000, False, 1),
    ]
    driver.trades(trade(4, T0 + 4 * MINUTE), trade(5, T0 + 6 * MINUTE))
    after = newest(driver.watermark(T0 + 8 * MINUTE))
    assert [candle.complete for candle in after.values()] == [True, True]


def test_a_state_of_a_later_version_is_refused_with_both_versions() -> None:
    driver = Driver()
    driver.trades(trade(1, T0))
    driver.restart()
    state = json.loads(driver.store["product"])
    assert state["version"] == STATE_VERSION
    for changed in ({"version": 99}, {"version": 99, "watermark_us": "of another type"}):
        driver.store["product"] = json.dumps(state | changed).encode()
        with pytest.raises(NewerStateError, match=f"99.*{STATE_VERSION}"):
            driver.restart_from_store()


def test_a_state_of_version_1_is_read() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    driver.gap(2, 3)
    driver.product.save()
    state = json.loads(driver.store["product"])
    for name in ("version", "removals"):
        del state[name]
    del state["intervals"]["1m"]["flat_revision"]
    driver.store["product"] = json.dumps(state).encode()
    driver.restart_from_store()
    driver.trades(trade(4, T0 + MINUTE))
    assert [c.complete for c in driver.watermark(T0 + 9 * MINUTE)] == [False, False]


@pytest.mark.parametrize("final", [True, False])
def test_a_watermark_approached_in_parts_gives_the_same_candles(*, final: bool) -> None:
    until = T0 + 4 * HOUR + 7 * SECOND
    straight, approached = (Driver(rules("1s", "1m", retention="1m", fill=True)) for _ in range(2))
    for driver in (straight, approached):
        driver.trades(trade(1, T0 + 30 * SECOND), trade(2, T0 + 3 * MINUTE, "102"))
    straight.watermark(until, final=final)
    parts = 0
    while approached.approach(until):
        approached.restart()
        parts += 1
    approached.watermark(until, final=final)
    assert parts == 2
    assert approached.output.candles == straight.output.candles
    assert approached.trades(trade(3, until)) == straight.trades(trade(3, until))


def test_a_record_near_enough_needs_no_approach() -> None:
    driver = Driver(rules("1m", fill=True))
    driver.trades(trade(1, T0))
    assert not driver.approach(T0 + 24 * HOUR)
    assert not Driver(rules("1m")).approach(T0 + 1_000_000 * HOUR)


@pytest.mark.parametrize("interval", ["1w@monday", "1w", "1d"])
def test_longest_window_of_the_last_trade_is_kept_for_a_gap(interval: str) -> None:
    driver = Driver(rules("1m", interval))
    driver.start(T0 - 30 * 24 * HOUR)
    driver.trades(trade(1, T0), trade(2, T0 + MINUTE))
    driver.watermark(T0 + 8 * 24 * HOUR)
    driver.restart()
    revised = newest(driver.gap(3, 9))
    (candle,) = [each for (text, _), each in revised.items() if text == interval]
    assert (candle.trade_count, candle.complete, candle.revision) == (2, False, 1)


@pytest.mark.parametrize("late", ["3", "1790035320000000-1"])
def test_late_trade_is_not_the_last_one_before_a_gap(late: str) -> None:
    driver = Driver(rules("1m"), ProductKey("bitstamp", "BTC/USD"))
    driver.start(T0 - HOUR)
    driver.trades(trade(7, T0 + 30 * MINUTE))
    driver.trades(trade(late, T0 + 2 * MINUTE))
    driver.watermark(T0 + 5 * HOUR)
    driver.restart()
    driver.gap(8, 9)
    driver.trades(trade(10, T0 + 5 * HOUR + MINUTE))
    candles = newest(driver.output.candles)
    assert candles["1m", (T0 + 2 * MINUTE) // MS].complete
    assert not candles["1m", (T0 + 30 * MINUTE) // MS].complete


def test_gap_that_ends_with_an_earlier_trade_touches_the_windows_of_both() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0 + 59 * SECOND))
    driver.trades(trade(2, T0 + MINUTE + 1_000))
    driver.gap(3, 4)
    driver.trades(trade(5, T0 + MINUTE - 1_000))
    driver.watermark(T0 + 5 * MINUTE)
    complete = {each.window_start_ms: each.complete for each in driver.output.candles}
    assert complete == {T0 // MS: False, (T0 + MINUTE) // MS: False}


def test_gap_recorded_behind_trades_out_of_order_touches_the_windows_of_both() -> None:
    driver = Driver(rules("1m"))
    driver.trades(trade(1, T0))
    driver.trades(trade(2, T0 + MINUTE + 1_000))
    driver.trades(trade(5, T0 + MINUTE - 1_000))
    driver.gap(3, 4)
    driver.watermark(T0 + 5 * MINUTE)
    assert [each.complete for each in driver.output.candles] == [False, False]


def test_wrong_time_of_a_shared_id_does_not_begin_a_gap() -> None:
    driver = Driver(rules("1m"), ProductKey("bitstamp", "BTC/USD"))
    for trade_id, minute, clock in ((1, 0, 0), (2, 50, 0), (3, 48, 48), (4, 49, 49)):
        until_us = T0 + clock * MINUTE + 5 * SECOND
        each = trade(trade_id, T0 + minute * MINUTE)
        driver.output.candles += driver.product.on_trades([each], trusted_until_us=until_us).candles
    driver.removed()
    driver.trades(trade(9, T0 + 51 * MINUTE))
    driver.watermark(T0 + 55 * MINUTE)
    assert not newest(driver.output.candles)["1m", (T0 + 49 * MINUTE) // MS].complete
