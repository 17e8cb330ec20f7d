"""Which products may lack a trade because a frame was not understood."""

import re
from collections.abc import Mapping

_MAX_TEXT = 4_000
_TOKENS = re.compile(r"[A-Za-z0-9/.:-]+")


class Suspects:
    """Collects them: those a whole frame names, or all where that is not certain.

    Args:
        symbols: the exchange's own names of the products.
    """

    def __init__(self, symbols: Mapping[str, str]) -> None:
        self._names = {product.casefold(): product for product in symbols}
        self._names |= {symbol.casefold(): product for product, symbol in symbols.items()}
        self._all = frozenset(symbols)
        self._found: set[str] = set()

    def note(self, payload: str) -> None:
        """Note a frame, or a part of one, that was not understood."""
        if len(self._found) == len(self._all):
            return
        named = self._named(payload) if _is_whole(payload) else set()
        self._found |= named or self._all

    def take(self) -> set[str]:
        """Return the products noted since the last call."""
        found, self._found = self._found, set()
        return found

    def _named(self, payload: str) -> set[str]:
        tokens = _TOKENS.findall(payload.casefold())
        return {self._names[token] for token in tokens if token in self._names}


def _is_whole(payload: str) -> bool:
    """Return whether nothing was cut off: what was might have named another product."""
    return (
        len(payload) <= _MAX_TEXT
        and payload.rstrip()[-1:] in ("}", "]", ")")
        and payload.count("{") == payload.count("}")
        and payload.count("[") == payload.count("]")
    )
