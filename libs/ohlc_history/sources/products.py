"""Which of the configured products a name in a file stands for."""

import itertools
import re
from collections.abc import Iterable

from ohlc_exchanges.kraken.symbols import plain_name

_PAIR = re.compile(r"[A-Z0-9]{2,10}(USDT?|USDC|EUR|GBP|JPY|CAD|AUD|CHF|BTC|XBT|ETH)", re.IGNORECASE)


class ProductNames:
    """The configured products, found by whatever name a file uses.

    Args:
        product_ids: the configured products.
        lone_file: whether REPLAY_PATH names one file: with one product, it then is that
            product's, unless its name speaks of another pair.
    """

    def __init__(self, product_ids: Iterable[str], *, lone_file: bool = False) -> None:
        self.product_ids = tuple(product_ids)
        self._lone = self.product_ids[0] if lone_file and len(self.product_ids) == 1 else None
        self._by_name = {plain_name(product_id): product_id for product_id in self.product_ids}

    def find(self, name: str) -> str | None:
        """Return the configured product of this name, or None."""
        return self._by_name.get(plain_name(name))

    def find_in_file_name(self, stem: str) -> str | None:
        """Return the product a file's name speaks of: all of it, or one or two of its words."""
        whole = self.find(stem)
        if whole is not None:
            return whole
        words = [word for word in re.split(r"[^A-Za-z0-9]+", stem) if word]
        pairs = [first + second for first, second in itertools.pairwise(words)]
        found = {product for word in (*words, *pairs) if (product := self.find(word)) is not None}
        if len(found) == 1:
            return found.pop()
        return None if found or any(map(_PAIR.fullmatch, (*words, *pairs))) else self._lone
