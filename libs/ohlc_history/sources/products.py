"""Which of the configured products a name in a file stands for."""

import itertools
import re
from collections.abc import Iterable

from ohlc_exchanges.kraken.symbols import plain_name

# Newer assets against old currencies: USDTZUSD is USDT/USD.
_FIAT_CLASS = re.compile(r"([A-Z0-9]{3,})Z(USD|EUR|GBP|JPY|CAD|AUD)")
# Archives name files after pairs in upper case, whatever the currencies.
_UPPER_PAIR = re.compile(r"[A-Z0-9]{5,20}")
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
        plain = plain_name(name)
        found = self._by_name.get(plain)
        if found is None and (match := _FIAT_CLASS.fullmatch(plain)) is not None:
            found = self._by_name.get(match[1] + match[2])
        return found

    def is_spelling(self, product_id: str, name: str) -> bool:
        """Return whether the name is one of the configured product."""
        return self.find(name) == product_id

    def is_another(self, stem: str) -> bool:
        """Return whether a file's name is that of a product that is not configured."""
        if self.find_in_file_name(stem) is not None:
            return False
        words = [word for word in re.split(r"[^A-Za-z0-9]+", stem) if word]
        pairs = [first + second for first, second in itertools.pairwise(words)]
        if any(map(_PAIR.fullmatch, (*words, *pairs))):
            return True
        return len(words) == 1 and _UPPER_PAIR.fullmatch(words[0]) is not None

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
