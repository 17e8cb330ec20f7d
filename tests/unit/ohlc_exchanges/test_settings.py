import pytest

from ohlc_core.errors import SettingsError
from ohlc_core.service.settings import load
from ohlc_exchanges.registry import EXCHANGES
from ohlc_exchanges.settings import ProductSettings


def test_exchange_is_one_of_the_registry() -> None:
    for exchange in EXCHANGES:
        assert load(ProductSettings, exchange=exchange, _env_file=None).exchange == exchange


def test_unknown_exchange_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"EXCHANGE was 'mtgox'.*kraken, coinbase"):
        load(ProductSettings, exchange="mtgox", _env_file=None)


@pytest.mark.parametrize(
    ("exchange", "products"),
    [
        ("kraken", ("BTC/USD", "XBT/USD")),
        ("kraken", ("USDT/USD", "USDTZUSD")),
        ("kraken", ("ETH/USD", "XETHZUSD")),
        ("coinbase", ("BTC/USD", "BTC-USD")),
        ("binance", ("BTC/USDT", "btcusdt")),
        ("bitstamp", ("BTC/USD", "btcusd")),
        ("kraken", ("BTC/USD", "BTC/USD")),
    ],
)
def test_two_spellings_of_one_product_are_refused(exchange: str, products: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match="names one product twice"):
        load(ProductSettings, exchange=exchange, product_ids=products, _env_file=None)
