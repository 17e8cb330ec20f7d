"""What an HTTP answer is, the same for every exchange: a page, an error to retry, a final one."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

import msgspec

from ohlc_exchanges.base import (
    DECODE_ERRORS,
    ExchangeError,
    ExchangeUnavailableError,
    MalformedResponseError,
    RateLimitedError,
    Response,
    reason_of,
)

#: A longer ``Retry-After`` is taken for this: nobody's backfill waits for days in silence.
MAX_RETRY_AFTER_SECONDS = 600.0

_MAX_TEXT = 300
# 403 and 451 with a page for people: a proxy or bot protection stands between, for a while.
_PASSING_WITH_HTML = frozenset({401, 403, 404, 451})


def words_of(response: Response) -> str:
    """Return the start of the body on one line, the exchange's own words."""
    text = response.body[:_MAX_TEXT].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def is_html(response: Response) -> bool:
    """Return whether the body is a page for people: an exchange's API answers in JSON."""
    return response.body[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<head"))


def check_status(response: Response) -> None:
    """Raise what the status stands for.

    Raises:
        RateLimitedError: 429, or 418 (Binance's word for an address that did not listen).
        ExchangeUnavailableError: 408 or 5xx, or a page for people instead of an answer.
        ExchangeError: any other status that is no success.
    """
    status = response.status
    if 200 <= status < 300:
        return
    text = f"HTTP {status} {words_of(response)}".strip()
    if status in (418, 429):
        raise RateLimitedError(text, retry_after(response))
    if status == 408 or status >= 500 or (status in _PASSING_WITH_HTML and is_html(response)):
        raise ExchangeUnavailableError(text, retry_after(response))
    if status < 400:
        location = response.headers.get("location", "")[:_MAX_TEXT]
        raise ExchangeError(
            f"HTTP {status}: redirected to {location!r}, which is not followed; set "
            "EXCHANGE_REST_URL to where the exchange's API is"
        )
    raise ExchangeError(text)


def check_answer(response: Response) -> None:
    """Raise what the status stands for, or that the body is cut off or no JSON.

    Raises:
        ExchangeError: as `check_status` does.
        ExchangeUnavailableError: the body is a page for people.
        MalformedResponseError: the body is no JSON.
    """
    check_status(response)
    check_json(response)


def check_json(response: Response) -> None:
    """Raise that the body is no JSON.

    Raises:
        ExchangeUnavailableError: it is a page for people.
        MalformedResponseError: it is cut off or anything else.
    """
    if is_html(response):
        raise ExchangeUnavailableError(
            f"the exchange answered with a web page: {words_of(response)}", retry_after(response)
        )
    try:
        msgspec.json.decode(response.body, type=msgspec.Raw)
    except DECODE_ERRORS as error:
        raise MalformedResponseError(
            f"the exchange's answer is no JSON: {reason_of(error)}"
        ) from None


def retry_after(response: Response, now: datetime | None = None) -> float | None:
    """Return the seconds of ``Retry-After``, a number or a date; None where it says nothing.

    The answer's own ``Date`` is the clock of a date, where it has one, else ``now``.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        if until is None:
            return None
        sent = http_date(headers.get("date", "")) or now or datetime.now(UTC)
        seconds = (until - sent).total_seconds()
    if not isfinite(seconds):
        return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)


def http_date(text: str) -> datetime | None:
    """Return the moment of an HTTP date; None for any other text."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
