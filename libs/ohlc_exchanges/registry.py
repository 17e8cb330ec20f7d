"""Which exchanges there are: the one list of their names.

A new exchange is its folder and its line here (docs/adding-an-exchange.md), or a package of its own
(docs/plugins.md).
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import cast

from ohlc_core.plugins import EXCHANGES as PLUGINS
from ohlc_core.plugins import is_plugin, load_plugin
from ohlc_exchanges.base import ExchangeAdapter

_ADAPTERS: Mapping[str, str] = {
    "kraken": "ohlc_exchanges.kraken.adapter:Kraken",
    "coinbase": "ohlc_exchanges.coinbase.adapter:Coinbase",
    "binance": "ohlc_exchanges.binance.adapter:Binance",
    "bitstamp": "ohlc_exchanges.bitstamp.adapter:Bitstamp",
    "okx": "ohlc_exchanges.okx.adapter:Okx",
}

#: The exchanges that are built in.
EXCHANGES = tuple(_ADAPTERS)


def adapter_for(name: str) -> ExchangeAdapter:
    """Return a new adapter of the exchange.

    Raises:
        KeyError: there is none of that name.
    """
    return adapter_class(name)()


def adapter_class(name: str) -> type[ExchangeAdapter]:
    """Return the class of the exchange's adapters, to ask for its capabilities.

    Raises:
        KeyError: there is none of that name.
        SettingsError: a package adds it, and cannot be imported.
    """
    if name in _ADAPTERS:
        return cast("type[ExchangeAdapter]", resolve_name(_ADAPTERS[name]))
    return cast("type[ExchangeAdapter]", load_plugin(PLUGINS, name))


def has_dense_ids(exchange: str) -> bool:
    """Return whether ids of the exchange count up by one per product; False if it is unknown."""
    is_known = exchange in _ADAPTERS or is_plugin(PLUGINS, exchange)
    return is_known and adapter_class(exchange).trade_ids == "dense"
