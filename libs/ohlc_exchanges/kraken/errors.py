"""What Kraken's ``error`` list says, which comes with HTTP 200.

Entries are a severity letter, a category and a text: ``EGeneral:Internal error``. Those of
severity W are warnings beside a valid result (docs.kraken.com, REST, Errors).
"""

from collections.abc import Sequence

from ohlc_exchanges.base import (
    ExchangeError,
    ExchangeUnavailableError,
    RateLimitedError,
    UnknownProductError,
)

_LOCKOUT = "Temporary lockout"
# A lockout lasts about 15 minutes, and asking during one prolongs it.
_LOCKOUT_SECONDS = 60.0
_RATE_LIMITS = ("Too many requests", "Rate limit exceeded", "Throttled")
_UNKNOWN_PRODUCTS = ("Unknown asset pair", "Invalid asset pair")
_PASSING = ("EService:", "EGeneral:Internal error")


def error_of(entries: Sequence[str]) -> ExchangeError | None:
    """Return the error that an ``error`` list stands for; None for warnings only."""
    text = ", ".join(entry for entry in entries if not entry.startswith("W"))[:300]
    if not text:
        return None
    if _LOCKOUT in text:
        return RateLimitedError(text, _LOCKOUT_SECONDS)
    if any(mark in text for mark in _RATE_LIMITS):
        return RateLimitedError(text)
    if any(mark in text for mark in _UNKNOWN_PRODUCTS):
        return UnknownProductError(text)
    if any(mark in text for mark in _PASSING):
        return ExchangeUnavailableError(text)
    return ExchangeError(text)
