"""Which products a frame that was not understood may have been about."""

import pytest

from trade_producer.suspects import Suspects

SYMBOLS = {"BTC/USD": "BTCUSD", "ETH/USD": "ETHUSD", "LTC/USD": "LTCUSD"}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('{"symbol":"BTC/USD","price":"x"}', {"BTC/USD"}),
        ('{"s":"ETHUSD","p":null}', {"ETH/USD"}),
        ('{"channel":"live_trades_ltcusd","data":{"id":-1}}', {"LTC/USD"}),
        ("_WsTrade(symbol='BTC/USD', price=Decimal('1E+99'))", {"BTC/USD"}),
        ('{"data":[{"symbol":"BTC/USD"},{"sym', set(SYMBOLS)),
        ('{"data":[{"symbol":"BTC/USD"}', set(SYMBOLS)),
        ("not json", set(SYMBOLS)),
        ('{"symbol":"DOGE/USD"}', set(SYMBOLS)),
        ('{"symbol":"BTC/USD"' + " " * 5_000 + "}", set(SYMBOLS)),
    ],
)
def test_frame_is_about_the_products_it_names_or_all(payload: str, expected: set[str]) -> None:
    suspects = Suspects(SYMBOLS)
    suspects.note(payload)
    assert suspects.take() == expected
    assert suspects.take() == set()
