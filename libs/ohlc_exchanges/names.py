"""Product names: as configured (``BTC/USD``, or the exchange's own) and as the exchange writes."""

from collections.abc import Callable, Sequence


class ProductNames:
    """Translates between configured names and the exchange's.

    Frames carry the exchange's names; records carry the configured ones. What was never asked
    for keeps the exchange's name.

    Args:
        native: the exchange's name of a configured product.
    """

    def __init__(self, native: Callable[[str], str]) -> None:
        self.native = native
        self._configured: dict[str, str] = {}

    def remember(self, product_ids: Sequence[str]) -> None:
        """Note the products that are asked for."""
        self._configured |= {self.native(product): product for product in product_ids}

    def configured(self, native: str) -> str:
        """Return the configured name of the exchange's."""
        return self._configured.get(native, native)

    @property
    def all(self) -> tuple[str, ...]:
        """The configured products."""
        return tuple(self._configured.values())
