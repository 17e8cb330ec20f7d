"""Which products the exchange refuses, and when to ask for them again.

A name it does not know any more (delisted while live) is asked for seldom; a passing refusal, such
as too many messages, soon and ever more slowly. Neither costs the other products anything.
"""

from collections.abc import Iterable

_PASSING_FIRST_SECONDS = 1.0
_PASSING_MAX_SECONDS = 30.0
_DELISTED_SECONDS = 600.0


class Refusals:
    """The products refused at present."""

    def __init__(self) -> None:
        self._delisted: dict[str, float] = {}
        self._passing: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def delisted(self, product_id: str, now: float) -> None:
        """The exchange does not know the product."""
        self._passing.pop(product_id, None)
        self._delisted[product_id] = now + _DELISTED_SECONDS

    def passing(self, product_ids: Iterable[str], now: float) -> None:
        """The exchange refused the products for now."""
        for product_id in product_ids:
            count = self._counts.get(product_id, 0)
            self._counts[product_id] = count + 1
            wait = min(_PASSING_MAX_SECONDS, _PASSING_FIRST_SECONDS * float(1 << min(count, 10)))
            self._passing[product_id] = now + wait

    def accepted(self, product_id: str) -> None:
        """The exchange acknowledged the product."""
        for kept in (self._delisted, self._passing, self._counts):
            kept.pop(product_id, None)

    def connected(self, now: float) -> None:
        """A connection asks for everything again, but for the delisted products."""
        self._passing.clear()
        for product_id in self._delisted:
            self._delisted[product_id] = max(self._delisted[product_id], now + 1.0)

    def are_delisted(self, product_ids: Iterable[str]) -> set[str]:
        """Return those of the products that are not asked for with the others."""
        return {product_id for product_id in product_ids if product_id in self._delisted}

    def due(self, now: float) -> list[str]:
        """Return the products to ask for again now."""
        due = [product_id for product_id, at in self._passing.items() if now >= at]
        for product_id in due:
            del self._passing[product_id]
        seldom = [product_id for product_id, at in self._delisted.items() if now >= at]
        for product_id in seldom:
            self._delisted[product_id] = now + _DELISTED_SECONDS
        return due + seldom
