"""Whatever is done to a frame: it is never an exception, and what is accepted is within bounds."""

import json
import re
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlc_exchanges.base import TradesSeen
from ohlc_exchanges.decoding import id_of, number
from ohlc_exchanges.registry import EXCHANGES, adapter_for
from support.hostile import GOOD_FRAMES

_YEAR_2009_US = 1_230_768_000_000_000
_DAY_US = 86_400_000_000
_PIECES = [
    b"_", b" ", b"+", b"-", b"e9", b"E999999", b"0", b"9" * 40, b".", b'"', b"[", b"{", b"]", b"}",
    b"\xff", "\u0661".encode(), "\uff11".encode(), b"null", b"true", b"\\u0031", b"\n", b",", b":",
]  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, exchange: str) -> bytes:
    """Return a good frame with a few bytes cut out, put in or put over."""
    frame = GOOD_FRAMES[exchange].encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(frame)))
        stop = min(len(frame), start + draw(st.integers(0, 6)))
        piece = draw(st.sampled_from(_PIECES) | st.binary(max_size=3))
        frame = frame[:start] + piece + frame[stop:]
    return frame


@pytest.mark.parametrize("exchange", EXCHANGES)
@given(data=st.data())
def test_spoiled_frame_gives_only_trades_within_bounds(exchange: str, data: st.DataObject) -> None:
    adapter = adapter_for(exchange)
    adapter.subscribe_frames(["BTC/USD", "BTC/USDT"])
    frame = data.draw(spoiled(exchange))
    for event in adapter.read_frame(frame):
        if isinstance(event, TradesSeen):
            for trade in event.trades:
                assert re.fullmatch("[0-9]{1,19}", trade.trade_id, re.ASCII)
                assert 0 < trade.price <= Decimal(10) ** 30
                assert 0 <= trade.quantity <= Decimal(10) ** 30
                latest = time.time_ns() // 1_000 + _DAY_US
                assert _YEAR_2009_US <= trade.timestamp_us <= latest


@given(st.text(max_size=12) | st.from_regex(r"[0-9_.eE+\- ]{1,8}", fullmatch=True))
def test_number_in_text_is_what_a_strict_parser_accepts(text: str) -> None:
    # JSON's numbers are the strict ones; leading zeros are the one thing exchanges add
    plain = text.lstrip("0") or "0"
    plain = "0" + plain if plain.startswith(".") else plain
    is_strict = text != "" and set(text) <= set("0123456789.") and not text.startswith(".")
    try:
        expected = Decimal(str(json.loads(plain, parse_float=Decimal)))
    except (ValueError, ArithmeticError):  # no JSON, or no number
        is_strict = False
    try:
        found = number(text)
    except ValueError:
        assert not is_strict
    else:
        assert is_strict
        assert found == expected


@given(st.text(max_size=25) | st.integers().map(str))
def test_id_in_text_is_up_to_nineteen_ascii_digits(text: str) -> None:
    is_good = 0 < len(text) <= 19 and all(each in "0123456789" for each in text)
    try:
        assert id_of(text) == int(text)
    except ValueError:
        assert not is_good
    else:
        assert is_good
