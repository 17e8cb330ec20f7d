"""What an HTTP status says, the same for every exchange, and whether an answer is one at all."""

import msgspec

from ohlc_exchanges.base import (
    ExchangeError,
    ExchangeUnavailableError,
    MalformedResponseError,
    RateLimitedError,
    Response,
)

_MAX_WORDS = 300


def words_of(response: Response) -> str:
    """Return the start of the body on one line, the exchange's own words."""
    return " ".join(response.body[:_MAX_WORDS].decode(errors="replace").split())


def check_status(response: Response) -> None:
    """Raise what the status stands for.

    Raises:
        RateLimitedError: 429, or 418 (Binance's word for an address that did not listen).
        ExchangeUnavailableError: 408 or 5xx.
        ExchangeError: any other status that is no success.
    """
    status = response.status
    if status < 400:
        return
    words = f"HTTP {status} {words_of(response)}".strip()
    if status in (418, 429):
        raise RateLimitedError(words, _retry_after(response))
    if status == 408 or status >= 500:
        raise ExchangeUnavailableError(words)
    raise ExchangeError(words)


def check_answer(response: Response) -> None:
    """Raise what the status stands for, or that the body is cut off or no JSON.

    Raises:
        ExchangeError: as `check_status` does.
        MalformedResponseError: the body is no JSON.
    """
    check_status(response)
    try:
        msgspec.json.decode(response.body, type=msgspec.Raw)
    except msgspec.MsgspecError as error:
        raise MalformedResponseError(f"the exchange's answer is no JSON: {error}") from None


def _retry_after(response: Response) -> float | None:
    for name, value in response.headers.items():
        if name.lower() == "retry-after":
            try:
                return max(0.0, float(value))
            except ValueError:
                return None
    return None
