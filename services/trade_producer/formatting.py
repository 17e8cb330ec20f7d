"""Lists of products in one readable line."""

from collections.abc import Collection

_SHOWN = 10


def product_list(products: Collection[str]) -> str:
    """Return the first products, and how many more there are."""
    shown = sorted(products)[:_SHOWN]
    more = len(products) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
