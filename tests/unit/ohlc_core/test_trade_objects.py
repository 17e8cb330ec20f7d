"""Records of 0.1, one object per trade, are read as the columns they would be today."""

from decimal import Decimal

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import TradesMessage
from support.trade_objects import trade_objects

TRADES = [
    Trade("109183836", Decimal("84098.4"), Decimal("0.04661621"), "buy", 1790000074626190),
    Trade("109183837", Decimal("84098.45"), Decimal("0.1"), "sell", 1790000074626190),
]
RECORD = trade_objects("kraken", "BTC/USD", "websocket", TRADES)


def test_trades_of_an_object_each_are_read() -> None:
    assert decode_trades_topic(RECORD) == TradesMessage("kraken", "BTC/USD", "websocket", TRADES)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b'"price":84098.4,', b'"price":"84098.4",'),
        (b'"price":84098.4,', b'"price":8e4,'),
        (b'"price":84098.4,', b'"price":1e999999,'),
        (b'"price":84098.4,', b'"price":[84098.4,1],'),
        (b'"price":84098.4,', b""),
        (b'"trade_id":"109183836"', b'"trade_id":109183836'),
        (b'"trade_id":"109183836"', '"trade_id":"\N{SNOWMAN}"'.encode()),
        (b'"side":"buy"', b'"side":"unknown"'),
        (b'"timestamp_us":1790000074626190', b'"timestamp_us":1e80'),
        (b'"timestamp_us":1790000074626190', b'"timestamp_us":"now"'),
        (b'"source":"websocket"', b'"source":"hearsay"'),
        (b'"source":"websocket"', b'"source":"websocket","note":"\xff"'),
        (RECORD[RECORD.index(b"[") :], b"[]}"),
    ],
)
def test_what_0_1_would_not_have_written_is_malformed(part: bytes, instead: bytes) -> None:
    assert part in RECORD
    with pytest.raises(MalformedMessageError):
        decode_trades_topic(RECORD.replace(part, instead, 1))
