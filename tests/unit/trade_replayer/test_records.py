from decimal import Decimal

from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import encode_trades
from ohlc_history.trade_table import table_of
from trade_replayer.records import records_of

TRADES = [
    Trade(str(number), Decimal("84098.40000"), Decimal("0.00000001"), "buy", 1_000_000 + number)
    for number in range(7)
]


def test_records_are_the_codecs_own_bytes() -> None:
    records = list(records_of("kraken", "BTC/USD", "file", table_of(TRADES), 3))
    assert [record.value for record in records] == [
        encode_trades("kraken", "BTC/USD", "file", TRADES[begin : begin + 3]) for begin in (0, 3, 6)
    ]


def test_record_has_its_last_event_time_and_size() -> None:
    records = list(records_of("kraken", "BTC/USD", "file", table_of(TRADES), 3))
    assert [(record.last_timestamp_us, record.trades) for record in records] == [
        (1_000_002, 3),
        (1_000_005, 3),
        (1_000_006, 1),
    ]


def test_ids_are_written_as_json_text() -> None:
    odd = [Trade(text, Decimal(1), Decimal(1), "sell", 1) for text in ('a"b', "c\\d", "é\n", "/")]
    record = next(records_of("x", 'P"Q', "sql", table_of(odd), 500))
    assert record.value == encode_trades("x", 'P"Q', "sql", odd)


def test_no_trades_give_no_record() -> None:
    assert list(records_of("kraken", "BTC/USD", "file", table_of([]), 500)) == []
