"""Adapters as a connection has them."""

from typing import TypeVar

from ohlc_exchanges.base import ExchangeAdapter

A = TypeVar("A", bound=ExchangeAdapter)


def subscribed(adapter: A, *products: str) -> A:
    """Return the adapter, which knows these products from subscribing to them."""
    adapter.subscribe_frames(products)
    return adapter
