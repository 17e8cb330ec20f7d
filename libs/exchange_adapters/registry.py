"""Which exchanges there are. A new one is its file, its line here, and its recorded frames."""

from collections.abc import Callable

from exchange_adapters.adapter import ExchangeAdapter
from exchange_adapters.binance import Binance
from exchange_adapters.bitstamp import Bitstamp
from exchange_adapters.coinbase import Coinbase
from exchange_adapters.kraken import Kraken

_ADAPTERS: dict[str, Callable[[], ExchangeAdapter]] = {
    "kraken": Kraken,
    "coinbase": Coinbase,
    "binance": Binance,
    "bitstamp": Bitstamp,
}


def adapter_for(name: str) -> ExchangeAdapter:
    """Return the adapter of the exchange.

    Raises:
        KeyError: there is none of that name.
    """
    return _ADAPTERS[name]()
