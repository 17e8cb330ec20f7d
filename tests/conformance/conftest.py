"""What every exchange of the registry has to do: a new one gets these tests for free.

CONFORMANCE_EXCHANGES=mine=binance tests an installed package's exchange alone, against the
simulated protocol of another.
"""

import os

import pytest

from exchange_simulator.protocols.protocol import Protocol
from exchange_simulator.protocols.registry import protocol_class
from ohlc_exchanges.base import ExchangeAdapter
from ohlc_exchanges.registry import EXCHANGES, adapter_for

_GIVEN = dict(
    each.partition("=")[::2]
    for each in os.environ.get("CONFORMANCE_EXCHANGES", "").split(",")
    if each
)


@pytest.fixture(params=_GIVEN or EXCHANGES)
def exchange(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def protocol_name(exchange: str) -> str:
    """The simulated protocol to test the exchange against."""
    return _GIVEN.get(exchange, exchange)


@pytest.fixture
def adapter(exchange: str) -> ExchangeAdapter:
    return adapter_for(exchange)


@pytest.fixture
def protocol(protocol_name: str) -> type[Protocol]:
    return protocol_class(protocol_name)


@pytest.fixture
def product(protocol: type[Protocol]) -> str:
    return protocol.default_products[0]
