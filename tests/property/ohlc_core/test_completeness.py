"""Which candles are complete, against the rule said directly over the whole history."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_core.domain import product_windows
from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import encode_candle
from support.candles import HOUR, MINUTE, SECOND, T0, Driver, newest, rules, trade

INTERVALS = {"10s": 10 * SECOND, "1m": MINUTE, "5m": 5 * MINUTE}
END = T0 + 12 * HOUR
PAUSES = (0, 1, 9 * SECOND, 11 * SECOND, MINUTE, 6 * MINUTE, 2 * HOUR)


class Missing(NamedTuple):
    """A gap of these ids, or, without any, records that were removed unread."""

    first: int | None
    last: int | None


Event = Trade | Missing | int


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Trades, gaps and watermarks (as integers) of one product, in the order of its records."""
    us, number = T0 + draw(st.integers(0, 2 * MINUTE)), 100
    events: list[Event] = []
    for kind in draw(st.lists(st.sampled_from("tttwwgr"), min_size=2, max_size=20)):
        pause = draw(st.sampled_from(PAUSES))
        if us + pause >= END - HOUR:
            break
        if kind == "t":
            us += pause
            number += 1
            events.append(trade(number, us, quantity=str(number)))
        elif kind == "w":
            us += pause
            events.append(us)
        else:
            first, number = number + 1, number + draw(st.integers(1, 3))
            events.append(Missing(first, number) if kind == "g" else Missing(None, None))
    return events


def gaps_of(events: Sequence[Event]) -> Iterator[tuple[int, int]]:
    """Yield the event times of the last trade before each gap and the first behind it."""
    for position, event in enumerate(events):
        if isinstance(event, Missing):
            before = [e.timestamp_us for e in events[:position] if isinstance(e, Trade)]
            behind = [e.timestamp_us for e in events[position:] if isinstance(e, Trade)]
            yield (before[-1] if before else 0, behind[0] if behind else END * 2)


def is_touched(start_us: int, interval_us: int, gaps: Sequence[tuple[int, int]]) -> bool:
    window = start_us // interval_us
    return any(last // interval_us <= window <= first // interval_us for last, first in gaps)


def feed(driver: Driver, event: Event) -> None:
    if isinstance(event, Trade):
        driver.trades(event)
    elif isinstance(event, int):
        driver.watermark(event)
    elif event.first is None or event.last is None:
        driver.removed()
    else:
        driver.gap(event.first, event.last)


@settings(max_examples=300)
@given(histories(), st.booleans(), st.sampled_from(("0", "1m", "1h", "1d")), st.data())
def test_a_candle_is_complete_exactly_where_no_gap_touches_its_window(
    events: list[Event], fill: bool, retention: str, data: st.DataObject
) -> None:
    driver = Driver(rules(*INTERVALS, retention=retention, fill=fill))
    for event in events:
        feed(driver, event)
        if data.draw(st.booleans()):
            driver.restart()
    driver.watermark(END)
    gaps = list(gaps_of(events))
    for (interval, start_ms), candle in newest(driver.output.candles).items():
        touched = is_touched(start_ms * 1_000, INTERVALS[interval], gaps)
        assert candle.complete == (not touched), (interval, (start_ms * 1_000 - T0) / SECOND)


@settings(max_examples=20)
@given(histories(), st.sampled_from(("0", "1m", "1h", "1d")))
def test_closing_in_parts_gives_the_same_candles(events: list[Event], retention: str) -> None:
    candles = []
    for at_once in (7, 5_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(product_windows, "WINDOWS_AT_ONCE", at_once)
            driver = Driver(rules(*INTERVALS, retention=retention, fill=True))
            for event in events:
                feed(driver, event)
            driver.watermark(END, final=True)
            candles.append(list(map(encode_candle, driver.output.candles)))
    assert candles[0] == candles[1]
