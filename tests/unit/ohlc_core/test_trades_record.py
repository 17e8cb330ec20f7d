import json
from decimal import Decimal
from typing import Any

import pytest

from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import MalformedMessageError, decode_trades_topic, encode_trades
from ohlc_core.messages.records import TradesMessage

TRADES = [
    Trade("109183836", Decimal("84098.40000"), Decimal("0.04661621"), "buy", 1790000074626190),
    Trade("109183837", Decimal("84098.45"), Decimal("0.1"), "sell", 1790000074626190),
    Trade("109183838", Decimal("8.4E+4"), Decimal("1"), "unknown", 1790000074626191),
]
RECORD = (
    b'{"type":"trades","exchange":"kraken","product_id":"BTC/USD","source":"websocket",'
    b'"trade_ids":["109183836","109183837","109183838"],'
    b'"prices":[84098.40,84098.45,84000.00],"quantities":[0.04661621,0.10000000,1.00000000],'
    b'"sides":"bs-","timestamps_us":[1790000074626190,1790000074626190,1790000074626191]}'
)


def test_a_column_has_the_decimals_its_finest_number_needs() -> None:
    assert encode_trades("kraken", "BTC/USD", "websocket", TRADES) == RECORD


def test_a_record_of_whole_numbers_has_no_decimal_point() -> None:
    whole = [Trade("1", Decimal("10.00"), Decimal("5E+1"), "buy", 1)]
    value = encode_trades("kraken", "BTC/USD", "file", whole)
    assert b'"prices":[10],"quantities":[50],' in value


def test_a_record_of_ten_trades_takes_at_most_50_bytes_a_trade_besides_its_head() -> None:
    many = [TRADES[0]] * 500
    assert len(encode_trades("kraken", "BTC/USD", "websocket", many)) / 500 <= 50


def test_decoded_trades_are_the_encoded_ones() -> None:
    message = decode_trades_topic(RECORD)
    assert isinstance(message, TradesMessage)
    assert message.trades == TRADES
    assert (message.exchange, message.product_id, message.source) == (
        "kraken",
        "BTC/USD",
        "websocket",
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("trade_ids", ["109183836"]),
        ("trade_ids", [109183836, 109183837, 109183838]),
        ("trade_ids", "abc"),
        ("trade_ids", None),
        ("prices", [84098.4, 84098.5]),
        ("prices", ["84098.4", "84098.5", "84098.6"]),
        ("prices", [84098.4, None, 84098.5]),
        ("prices", [84098.4, True, 84098.5]),
        ("prices", [84098.4, [1], 84098.5]),
        ("prices", {"a": 1}),
        ("prices", 84098.4),
        ("quantities", []),
        ("quantities", [1, 2, 3, 4]),
        ("sides", "bs"),
        ("sides", "bsx"),
        ("sides", "BSS"),
        ("sides", ["b", "s", "-"]),
        ("timestamps_us", [1, 2]),
        ("timestamps_us", [1, 2, "3"]),
        ("timestamps_us", [1, 2, 3.5]),
        ("source", "carrier pigeon"),
        ("exchange", 7),
    ],
)
def test_a_record_that_is_not_the_contracts_is_refused(column: str, value: Any) -> None:
    record = json.loads(RECORD)
    record[column] = value
    with pytest.raises(MalformedMessageError):
        decode_trades_topic(json.dumps(record).encode())
    del record[column]
    with pytest.raises(MalformedMessageError):
        decode_trades_topic(json.dumps(record).encode())


def test_a_record_without_trades_is_refused() -> None:
    empty = b'{"trade_ids":[],"prices":[],"quantities":[],"sides":"","timestamps_us":[],'
    with pytest.raises(MalformedMessageError, match="no trade"):
        decode_trades_topic(
            empty + b'"type":"trades","exchange":"a","product_id":"b","source":"rest"}'
        )


@pytest.mark.parametrize("name", ["trade_ids", "prices", "quantities", "sides", "timestamps_us"])
def test_white_space_in_front_of_one_column_changes_nothing(name: str) -> None:
    spaced = RECORD.replace(f'"{name}":'.encode(), f'"{name}": '.encode())
    assert decode_trades_topic(spaced) == decode_trades_topic(RECORD)
