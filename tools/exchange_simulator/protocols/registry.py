"""The protocol of each exchange: the module of its name in this package, as ``PROTOCOL``."""

from pkgutil import resolve_name
from typing import cast

from exchange_simulator.protocols.protocol import Protocol


def protocol_class(exchange: str) -> type[Protocol]:
    """Return the protocol that simulates an exchange of `ohlc_exchanges.registry`.

    Raises:
        ImportError, AttributeError: there is none.
    """
    return cast("type[Protocol]", resolve_name(f"{__package__}.{exchange}:PROTOCOL"))
