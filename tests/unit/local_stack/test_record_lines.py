from decimal import Decimal

from local_stack.record_lines import record_lines
from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import encode_trades

TRADES = [
    Trade("7", Decimal("84098.40"), Decimal("0.00000001"), "buy", 1_790_000_074_626_190),
    Trade("8", Decimal("84098.45"), Decimal("2"), "unknown", 1_790_000_074_626_191),
]


def test_a_trades_record_is_one_line_a_trade_with_readable_decimals() -> None:
    record = encode_trades("kraken", "BTC/USD", "websocket", TRADES)
    assert list(record_lines(record)) == [
        "2026-09-21T14:14:34.626190Z kraken:BTC/USD buy 0.00000001 at 84098.4 id 7 (websocket)",
        "2026-09-21T14:14:34.626191Z kraken:BTC/USD unknown 2 at 84098.45 id 8 (websocket)",
    ]


def test_any_other_record_is_shown_as_it_is() -> None:
    for text in ('{"type":"candle"}', '{"type":"trades","exchange":', "\N{REPLACEMENT CHARACTER}"):
        assert list(record_lines(text.encode())) == [text]
