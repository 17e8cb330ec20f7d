"""What a product looks like: its names' parts, its precision, its usual price and pace."""

import hashlib
from typing import NamedTuple


class Product(NamedTuple):
    """One traded pair.

    Attributes:
        name: ``BASE/QUOTE``, the model's own name, e.g. ``BTC/USD``.
        price_decimals: digits of the price after the point (its tick is one unit).
        quantity_decimals: digits of the quantity after the point.
        rest_price_decimals: digits Kraken's REST rows pad the price to.
    """

    name: str
    price_decimals: int
    quantity_decimals: int = 8
    rest_price_decimals: int = 5

    @property
    def base(self) -> str:
        """The currency that is bought and sold."""
        return self.name.partition("/")[0]

    @property
    def quote(self) -> str:
        """The currency the price is in."""
        return self.name.partition("/")[2]


class Character(NamedTuple):
    """Where a generated product starts from: first trade id, price in units, share of the pace."""

    product: Product
    first_id: int
    price: int
    weight: float


# First ids and prices: the recorded Kraken frames of September 2026 for BTC and ETH; the others
# are of the same magnitude.
_KNOWN = {
    "BTC/USD": Character(Product("BTC/USD", 1), 109_183_836, 840_984, 1.0),
    "ETH/USD": Character(Product("ETH/USD", 2), 66_819_466, 268_917, 0.6),
    "SOL/USD": Character(Product("SOL/USD", 2), 28_410_377, 14_261, 0.3),
    "LTC/USD": Character(Product("LTC/USD", 2), 19_044_180, 9_241, 0.05),
    "BTC/USDT": Character(Product("BTC/USDT", 1), 10_218_208, 1_054_336, 0.8),
    "ETH/USDT": Character(Product("ETH/USDT", 2), 9_602_114, 268_850, 0.5),
    "LTC/USDT": Character(Product("LTC/USDT", 2), 2_118_004, 9_243, 0.05),
}


#: Quote currencies by which names without a separator are split; longer ones first.
QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "BTC", "ETH")


def parse_product(text: str) -> str:
    """Return ``BTC/USD`` for ``BTC/USD``, ``BTC-USD``, ``BTCUSD`` or ``btcusd``.

    Raises:
        ValueError: the text is no pair, or its quote currency is unknown.
    """
    name = text.upper().replace("-", "/")
    base, slash, quote = name.partition("/")
    if not slash:
        quote = next((each for each in QUOTES if name.endswith(each)), "")
        base = name.removesuffix(quote)
    if not (base.isalnum() and quote.isalnum() and name.isascii()):
        raise ValueError(f"{text!r} is no pair of currencies")
    return f"{base}/{quote}"


def character(name: str) -> Character:
    """Return the character of a product: the known one, or one derived from its name alone."""
    known = _KNOWN.get(name)
    if known is not None:
        return known
    digest = hashlib.sha256(name.encode()).digest()
    number = int.from_bytes(digest[:6], "big")
    return Character(
        Product(name, 5), 100_000 + number % 40_000_000, 50_000 + number % 40_000_000, 0.3
    )
