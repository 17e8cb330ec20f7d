"""Where a stream begins: by START_FROM, but never before the topic's end."""

import pytest

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import SettingsError
from ohlc_core.service.settings import load
from ohlc_exchanges.base import Position
from trade_producer.settings import ProducerSettings, start_moment_us
from trade_producer.start import StartPlan, needs_clock, plan_start
from trade_producer.topic_tail import Tail

S = 1_000_000
NOW = 1_790_000_123 * S
INTERVALS = [Interval.parse("1m"), Interval.parse("1h")]
HOUR = Interval.parse("1h").window_start(NOW)
KEY = ProductKey("kraken", "BTC/USD")


def tail(seconds_ago: int) -> Tail:
    return Tail(position=Position("7", NOW - seconds_ago * S))


@pytest.mark.parametrize(
    ("start_from", "begin_us"),
    [
        ("last", HOUR),
        ("window", HOUR),
        ("now", NOW),
        ("2026-01-31", 1_769_817_600 * S),
        ("2026-01-31T01:00:00+01:00", 1_769_817_600 * S),
    ],
)
def test_an_empty_topic_begins_where_start_from_says(start_from: str, begin_us: int) -> None:
    assert plan_start(start_from, None, INTERVALS, NOW) == StartPlan(begin_us=begin_us)


def test_last_resumes_behind_the_last_trade() -> None:
    plan = plan_start("last", tail(100_000), INTERVALS, NOW)
    assert plan == StartPlan(resume_at=Position("7", NOW - 100_000 * S))


def test_last_resumes_a_beginning_that_had_no_trade_yet() -> None:
    assert plan_start("last", Tail(from_us=5), INTERVALS, NOW) == StartPlan(resume_from_us=5)


def test_window_resumes_where_the_topic_reaches_into_it() -> None:
    assert plan_start("window", tail(10), INTERVALS, NOW).begin_us is None


def test_window_begins_anew_where_the_topic_ended_before_it() -> None:
    assert plan_start("window", tail(100_000), INTERVALS, NOW).begin_us == HOUR


def test_a_date_before_the_topic_s_end_does_not_go_back() -> None:
    plan = plan_start("2026-01-31", tail(10), INTERVALS, NOW)
    assert plan.resume_at == Position("7", NOW - 10 * S)


def test_now_skips_what_came_since() -> None:
    assert plan_start("now", tail(10), INTERVALS, NOW).begin_us == NOW


@pytest.mark.parametrize(
    ("start_from", "has_tail", "needed"),
    [
        ("last", True, False),
        ("last", False, True),
        ("window", True, True),
        ("now", True, True),
        ("2026-01-31", False, False),
    ],
)
def test_the_exchange_s_time_is_asked_for_only_where_it_decides(
    start_from: str, has_tail: bool, needed: bool
) -> None:
    tails = {KEY: tail(1)} if has_tail else {}
    assert needs_clock(start_from, [KEY], tails) is needed


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01"])
def test_start_from_must_be_a_word_or_a_date(text: str) -> None:
    with pytest.raises(ValueError):
        start_moment_us(text)


def test_start_more_than_a_day_ahead_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"START_FROM was '9999-01-01'.*a day ahead"):
        load(ProducerSettings, kafka_broker_address="x:1", start_from="9999-01-01")
