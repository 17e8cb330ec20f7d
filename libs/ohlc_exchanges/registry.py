"""Which exchanges there are. A new one is its file, its line here, and its recorded frames."""

from collections.abc import Callable

from ohlc_exchanges.base import ExchangeAdapter
from ohlc_exchanges.binance.adapter import Binance
from ohlc_exchanges.bitstamp.adapter import Bitstamp
from ohlc_exchanges.coinbase.adapter import Coinbase
from ohlc_exchanges.kraken.adapter import Kraken

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
