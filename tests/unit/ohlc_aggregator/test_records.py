"""Records that are none of the contract's: rejected in words, whatever they hold."""

import json
from collections.abc import Iterable

import pytest

from ohlc_aggregator.metrics import Counts
from ohlc_aggregator.records import Outgoing, Place, RecordReader
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.state import MemoryStore
from ohlc_core.errors import MalformedMessageError
from ohlc_core.messages.codec import decode_dead_letter, encode_trades
from support.candles import KEY, MINUTE, T0, rules, trade

_PLACE = Place("trades", 0, 7, T0 // 1_000)
_DEEP = b"[" * 100_000


def _control(kind: str, **fields: object) -> bytes:
    return json.dumps(
        {"type": kind, "exchange": KEY.exchange, "product_id": KEY.product_id, **fields}
    ).encode()


def _trades(ids: list[str], prices: str, quantities: str = "") -> bytes:
    count = len(ids)
    head = _control("trades", source="websocket", trade_ids=ids)[:-1].decode()
    quantities = quantities or ",".join("1" * count)
    times = [T0 + position for position in range(count)]
    return (
        f'{head},"prices":[{prices}],"quantities":[{quantities}],"sides":"{"b" * count}"'
        f',"timestamps_us":{times}}}'
    ).encode()


def _compact(count: int) -> bytes:
    """Return a record exactly as a producer writes it."""
    trades = [trade(number, T0 + number) for number in range(1, count + 1)]
    return encode_trades(*KEY, "websocket", trades)


class _Aggregator:
    def __init__(self) -> None:
        self.reader = RecordReader(MINUTE, lambda: T0 + MINUTE, Counts(("1m",)))
        self.store = MemoryStore()
        self.product = self._product()

    def _product(self) -> ProductCandles:
        return ProductCandles(KEY, rules("1m", fill=True), self.store, sequential=True)

    def take(self, value: bytes) -> list[Outgoing]:
        try:
            record = self.reader.decode(str(KEY).encode(), value)
            outgoing: Iterable[Outgoing] = self.reader.apply(self.product, record, _PLACE)
        except MalformedMessageError as error:
            outgoing = [self.reader.reject(value, str(error), _PLACE)]
        result = list(outgoing)
        self.product.save()
        self.product = self._product()
        return result


@pytest.mark.parametrize(
    "value",
    [
        b'{"type":"trades","x":' + _DEEP,
        _DEEP,
        _trades(["1"], _DEEP.decode() + "]" * 100_000),
        _control("start", from_us=1 << 62),
        _control("watermark", watermark_us=1 << 62),
        _trades(["1"], "1e999999999999999999"),
        _trades(["1"], "5", "1e-999999999999999999"),
        _trades(["1"], "1" * 400),
        _compact(20).replace(b'"type"', b'"kind"'),
        _compact(20).replace(b'"type":"trades"', b'"type":"other"'),
        _compact(20).replace(b'"1"', b'"\xff"'),
    ],
    ids=[
        "deep",
        "deep-array",
        "deep-column",
        "start",
        "watermark",
        "huge",
        "tiny",
        "400-digits",
        "no-type",
        "type",
        "id-no-text",
    ],
)
def test_record_that_cannot_be_used_is_a_dead_letter_and_the_next_one_counts(value: bytes) -> None:
    aggregator = _Aggregator()
    (letter,) = aggregator.take(value)
    assert letter.is_dead_letter
    assert decode_dead_letter(letter.value).reason == "malformed"
    assert aggregator.take(_trades(["2", "3"], "5,6")) == []
    (candle,) = aggregator.take(_control("watermark", watermark_us=T0 + 61_000_000))
    assert b'"trade_count":2' in candle.value
    assert b'"complete":true' in candle.value


@pytest.mark.parametrize("digits", [20, 30, 5_000])
@pytest.mark.parametrize("count", [2, 20])
def test_ids_longer_than_any_number_are_counted_once_as_text(digits: int, count: int) -> None:
    aggregator = _Aggregator()
    ids = ["1" + "0" * (digits - 3) + str(10 + position) for position in range(count)]
    value = _trades(ids, ",".join("5" * count))
    assert aggregator.take(value) == aggregator.take(value) == []
    (candle,) = aggregator.take(_control("watermark", watermark_us=T0 + 61_000_000))
    assert f'"trade_count":{count},'.encode() in candle.value


def test_ids_far_apart_in_one_record_count() -> None:
    aggregator = _Aggregator()
    aggregator.take(_trades(["5", "9" * 19, "9" * 30], "5,5,5"))
    (candle,) = aggregator.take(_control("watermark", watermark_us=T0 + 61_000_000))
    assert b'"trade_count":3,' in candle.value


@pytest.mark.parametrize("first", ["1", "9" * 5_000])
def test_gap_of_ids_longer_than_any_number_ends_with_the_next_trade(first: str) -> None:
    aggregator = _Aggregator()
    aggregator.take(_trades(["101", "102"], "5,6"))
    aggregator.take(_control("gap", first_missing_id=first, last_missing_id="9" * 5_000))
    aggregator.take(_trades(["103"], "5"))
    (candle,) = aggregator.take(_control("watermark", watermark_us=T0 + 61_000_000))
    assert b'"complete":false' in candle.value
