"""What is no record of the contract's is refused with the one error that readers expect."""

import json
import time
from collections.abc import Callable

import pytest

from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import MemoryStore, StateError
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.codec import (
    decode_candle,
    decode_dead_letter,
    decode_record,
    decode_trades_topic,
    encode_candle,
    encode_trades,
)
from ohlc_core.messages.trades_record import TradesRecord, trades_of
from support.candle_records import candle
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, Driver, rules, trade

HEAD = b'"exchange":"kraken","product_id":"BTC/USD"'
DEEP = b"[" * 1_100 + b"]" * 1_100


def _trades(ids: bytes, prices: bytes = b"1,1") -> bytes:
    return (
        b'{"type":"trades",' + HEAD + b',"source":"rest","trade_ids":[' + ids + b'],"prices":['
        b"" + prices + b'],"quantities":[1,1],"sides":"bb","timestamps_us":[%d,%d]}' % (T0, T0 + 1)
    )


def _gap(first: str) -> bytes:
    return (
        b'{"type":"gap",'
        + HEAD
        + b',"first_missing_id":"%s","last_missing_id":"9"}' % first.encode()
    )


def _watermark(us: int) -> bytes:
    return b'{"type":"watermark",' + HEAD + b',"watermark_us":%d}' % us


YEAR_9000_US = 221_845_392_000_000_000
TOO_FAR_US = time.time_ns() // 1_000 + 2 * 86_400_000_000

POISON = {
    "nested": b'{"type":"gap","x":' + DEEP + b"," + HEAD + b"}",
    "nested-alone": DEEP,
    "nested-ids": _trades(DEEP),
    "nested-prices": _trades(b'"1","2"', DEEP),
    "empty": b"",
    "no-utf8": b'{"type":"gap","exchange":"\xff"}',
    "no-object": b"7",
    "other-type": b'{"type":"' + b"x" * 100_000 + b'"}',
    "id-with-underscore": _trades(b'"1","1_000"'),
    "id-full-width": _trades('"1","\uff11\uff12"'.encode()),
    "id-arabic": _trades('"1","\u0661\u0662"'.encode()),
    "id-signed": _trades(b'"1","+2"'),
    "id-with-line": _trades(b'"1","2\\n"'),
    "price-exponent": _trades(b'"1","2"', b"1e5,1"),
    "price-1e999999": _trades(b'"1","2"', b"1e999999,1"),
    "price-text": _trades(b'"1","2"', b'"1",1'),
    "price-true": _trades(b'"1","2"', b"true,1"),
    "price-of-a-megabyte": _trades(b'"1","2"', b"1" * 1_000_000 + b",1"),
    "gap-full-width": _gap("\uff11\uff12"),
    "watermark-1970": _watermark(5),
    "watermark-9000": _watermark(YEAR_9000_US),
    "watermark-two-days-ahead": _watermark(TOO_FAR_US),
    "watermark-of-40-digits": _watermark(10**40),
    "exchange-with-colon": _gap("1").replace(b"kraken", b"kraken:BTC"),
    "product-with-escape": _gap("1").replace(b"BTC/USD", b"BTC\\u001b[2J"),
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON.keys())
@pytest.mark.parametrize("decode", [decode_trades_topic, decode_candle, decode_dead_letter])
def test_poison_is_malformed_in_a_short_line(
    value: bytes, decode: Callable[[bytes], object]
) -> None:
    begin = time.perf_counter()
    with pytest.raises(MalformedMessageError) as error:
        decode(value)
    assert len(str(error.value)) < 500
    assert time.perf_counter() - begin < 10


def test_ids_1_and_nineteen_nines_in_one_record_count_as_two_trades() -> None:
    driver = Driver(rules("1m"))
    record = decode_record(_trades(b'"1","9999999999999999999"'))
    assert isinstance(record, TradesRecord)
    driver.trades(*trades_of(record))
    driver.restart()
    assert driver.watermark(T0 + HOUR)[0].trade_count == 2
    driver.start(T0 + 2 * HOUR)
    driver.trades(*(trade(id_, T0 + 2 * HOUR) for id_ in (1, 10**19 - 1)))
    driver.restart()
    assert driver.watermark(T0 + 3 * HOUR)[0].trade_count == 2


def test_wide_ids_are_text() -> None:
    wide = b"1" * 5_000
    value = encode_trades("kraken", "BTC/USD", "rest", [trade(n, T0) for n in range(10, 26)])
    record = decode_record(value.replace(b'"10"', b'"' + wide + b'"'))
    assert isinstance(record, TradesRecord)
    assert trades_of(record)[0].trade_id == wide.decode()


CANDLE = encode_candle(candle())


@pytest.mark.parametrize(
    "number", ['"1"', '"1_000"', "1e5", "NaN", "true", "null", "[1]", '"\uff11"', "1" * 200, "+1"]
)
@pytest.mark.parametrize("field", ["open", "volume", "vwap"])
def test_candle_with_a_number_not_in_plain_notation_is_malformed(field: str, number: str) -> None:
    head, _, rest = CANDLE.decode().partition(f'"{field}":')
    value = f'{head}"{field}":{number}{rest[rest.index(",") :]}'.encode()
    with pytest.raises(MalformedMessageError):
        decode_candle(value)


def _saved() -> MemoryStore:
    driver = Driver(rules("1m"))
    driver.trades(*(trade(n, T0 + n * SECOND) for n in range(1, 200)))
    driver.gap(200, 210)
    driver.trades(trade(211, T0 + 5 * MINUTE), trade(100, T0))
    driver.product.save()
    return driver.store


GARBAGE = (b"", b"\xff\xfe", b"garbage", b"[7.5]", DEEP, b"9" * 5_000)


def _use(store: MemoryStore) -> None:
    product = ProductCandles(ProductKey(*KEY), rules("1m"), store, sequential=True)
    product.on_trades([trade(150, T0 + SECOND), trade(300, T0 + MINUTE)])
    product.on_gap("1", "2")
    product.on_trades([trade(99_000 + n, T0 + n * MINUTE) for n in range(6)])


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("name", sorted(_saved()))
def test_garbage_in_a_state_is_a_state_error(name: str, garbage: bytes) -> None:
    store = _saved()
    store[name] = garbage
    with pytest.raises(StateError) as error:
        _use(store)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "changed",
    [{"coverage": 7}, {"watermark_us": -5}, {"watermark_us": 1 << 61}, {"ids_began_us": 3e30}],
)
def test_state_of_impossible_values_is_a_state_error(changed: dict[str, object]) -> None:
    store = _saved()
    store["product"] = json.dumps(json.loads(store["product"]) | changed).encode()
    with pytest.raises(StateError):
        _use(store)
