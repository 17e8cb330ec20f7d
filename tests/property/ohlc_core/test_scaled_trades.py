"""Reading a record's columns as integers gives what reading each number as a decimal gives."""

import json
import re
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_core.domain.scaled_columns import LARGEST_SCALED
from ohlc_core.domain.trade import ProductKey, Side, Trade
from ohlc_core.messages.codec import (
    MalformedMessageError,
    decode_record,
    encode_candle,
    encode_trades,
)
from ohlc_core.messages.scaled_trades import scaled_columns
from ohlc_core.messages.trades_record import TradesRecord, trades_of
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, Driver, rules

SIDES: tuple[Side, ...] = ("buy", "sell", "buy", "sell", "unknown")


@st.composite
def numbers(draw: st.DrawFn, count: int, *, positive: bool) -> list[Decimal]:
    places = draw(st.sampled_from((0, 1, 5, 8, 15, 16)))
    largest = draw(st.sampled_from((10, 10**8, 10**12, LARGEST_SCALED - 1, LARGEST_SCALED, 10**20)))
    values = st.integers(int(positive), largest)
    return [Decimal(draw(values)).scaleb(-places) for _ in range(count)]


@st.composite
def large_records(draw: st.DrawFn, exchange: str = "kraken") -> list[Trade]:
    count = draw(st.integers(16, 60))
    prices = draw(numbers(count, positive=draw(st.sampled_from((True, True, True, False)))))
    quantities = draw(numbers(count, positive=False))
    us = T0 + draw(st.integers(0, 2 * MINUTE))
    number = draw(st.sampled_from((1, 90, 991, 109_183_836)))
    step = draw(st.sampled_from(((1,), (1,), (1,), (1, 1, 3), (0, 1), (-1, 1, 2))))
    pauses = draw(st.sampled_from(((0, 999), (0, SECOND, 40 * SECOND), (-5, 70_000, 9 * SECOND))))
    trades = []
    for price, quantity in zip(prices, quantities, strict=True):
        us += draw(st.sampled_from(pauses))
        number += draw(st.sampled_from(step))
        side = draw(st.sampled_from(SIDES))
        trades.append(Trade(str(number), price, quantity, side, us))
    return trades


def record_of(value: bytes) -> TradesRecord:
    record = decode_record(value)
    assert isinstance(record, TradesRecord)
    return record


@settings(max_examples=100)
@given(st.lists(large_records(), min_size=1, max_size=3), st.sampled_from(("kraken", "bitstamp")))
def test_columns_of_integers_give_the_same_bytes(lists: list[list[Trade]], exchange: str) -> None:
    key = ProductKey(exchange, KEY.product_id)
    quick, careful = (Driver(rules("7s", "1m", "1h"), key) for _ in range(2))
    for trades in lists:
        record = record_of(encode_trades(*key, "rest", trades))
        columns = scaled_columns(record)
        output = None if columns is None else quick.product.on_columns(columns)
        if output is None:
            quick.trades(*trades_of(record))
        else:
            quick.output.candles += output.candles
        for trade in trades_of(record):
            careful.trades(trade)
        quick.restart()
    for driver in (quick, careful):
        driver.watermark(T0 + 3 * HOUR, final=True)
    assert list(map(encode_candle, quick.output.candles)) == list(
        map(encode_candle, careful.output.candles)
    )
    assert quick.output.rejected == careful.output.rejected
    assert quick.output.duplicates == careful.output.duplicates


PLAIN = [
    Trade(str(109_183_836 + n), Decimal("84098.4") + n, Decimal("0.1") * (n % 7), "buy", T0 + n)
    for n in range(20)
]
ODD = (
    *(b"", b"1e3", b"1E3", b"-1", b"0", b"00", b"01", b"1.", b".5", b"1.25", b"0.10", b"1 ", b" 1"),
    *(b'"1"', b'"01"', b'"-1"', b'"a"', b'""', b'"1,2"', b'"109183837"', b"1,2", b"null", b"true"),
    *(b"NaN", b"1.5.5", b"84098.40", b"[1]", b"]", b"1e400", b"-0.0"),
)
_VALUE = re.compile(rb'-?[0-9][0-9.]*|"[^"]*"')


@settings(max_examples=600)
@given(
    st.integers(0, 10**6),
    st.sampled_from(ODD),
)
def test_a_changed_record_is_read_like_the_careful_way_or_left_to_it(
    where: int, text: bytes
) -> None:
    value = encode_trades(*KEY, "rest", PLAIN)
    matches = list(_VALUE.finditer(value, value.index(b'"trade_ids":') + 12))
    match = matches[where % len(matches)]
    changed = value[: match.start()] + text + value[match.end() :]
    try:
        record = record_of(changed)
    except (MalformedMessageError, AssertionError):
        return
    columns = scaled_columns(record)
    if columns is None:
        return
    trades = trades_of(record)  # never malformed where the quick way takes it
    quick, careful = Driver(), Driver()
    output = quick.product.on_columns(columns)
    if output is not None:
        for trade in trades:
            careful.trades(trade)
        assert [*quick.watermark(T0 + HOUR)] == [*careful.watermark(T0 + HOUR)]
        assert list(columns.ids) == json.loads(changed)["trade_ids"]
        assert not careful.output.rejected


def test_an_ordinary_record_is_read_as_integers() -> None:
    columns = scaled_columns(record_of(encode_trades(*KEY, "rest", PLAIN)))
    assert columns is not None
    assert columns.dense == range(109_183_836, 109_183_856)
    assert Driver().product.on_columns(columns) is not None
