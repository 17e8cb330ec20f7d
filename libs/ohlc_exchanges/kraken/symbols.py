"""Kraken's names of a product: its websocket's, its REST's, and the old keys of its answers."""

import re

# REST and files keep the old names of two assets; the websocket v2 has the usual ones.
_OLD_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_SEPARATORS = re.compile(r"[^A-Za-z0-9]")

# Keys of the oldest pairs carry class letters: X before a crypto asset, Z before a currency.
# Assets that came later have none, so a key may mix both: XXBTZUSD, USDTZUSD, XETHXXBT.
_CLASS_LETTERS = re.compile(
    r"(?:[XZ](?P<base>[A-Z]{3})|(?P<plain>USDT))"
    r"[XZ](?P<quote>USD|EUR|GBP|CAD|JPY|AUD|CHF|XBT|ETH)"
)

# A tokenised stock is named with a small x behind its ticker: AAPLx/USD.
_TOKENISED = re.compile(r"[A-Z][A-Z0-9.]*x")


def plain_name(name: str) -> str:
    """Return a product's name without separators, class letters, case and old asset names.

    ``BTC/USD``, ``btc-usd``, ``XBTUSD`` and ``XXBTZUSD`` all give ``BTCUSD``.
    """
    letters = _SEPARATORS.sub("", name).upper()
    key = _CLASS_LETTERS.fullmatch(letters)
    if key is not None:
        letters = (key["base"] or key["plain"]) + key["quote"]
    for usual, old in _OLD_NAMES.items():
        if letters.startswith(old):
            letters = usual + letters[len(old) :]
        elif letters.endswith(old):
            letters = letters[: -len(old)] + usual
    return letters


def rest_pair(product_id: str) -> str:
    """Return the REST name of a product: ``XBTUSD`` for ``BTC/USD``."""
    return "".join(_OLD_NAMES.get(asset, asset) for asset in product_id.split("/"))


def rest_params(product_id: str) -> dict[str, str]:
    """Return the request parameters that name a product.

    REST knows tokenised stocks only with their asset class, else it answers
    "EQuery:Unknown asset pair".
    """
    params = {"pair": rest_pair(product_id)}
    if _TOKENISED.fullmatch(product_id.partition("/")[0]):
        params["asset_class"] = "tokenized_asset"
    return params
