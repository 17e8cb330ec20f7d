"""What every exchange of the registry has to do: a new one gets these tests for free."""

import pytest

from exchange_simulator.protocols.protocol import Protocol
from exchange_simulator.protocols.registry import protocol_class
from ohlc_exchanges.base import ExchangeAdapter
from ohlc_exchanges.registry import EXCHANGES, adapter_for


@pytest.fixture(params=EXCHANGES)
def exchange(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def adapter(exchange: str) -> ExchangeAdapter:
    return adapter_for(exchange)


@pytest.fixture
def protocol(exchange: str) -> type[Protocol]:
    return protocol_class(exchange)


@pytest.fixture
def product(protocol: type[Protocol]) -> str:
    return protocol.default_products[0]
