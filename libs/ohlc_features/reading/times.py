"""The moments a reader may name, as ms since the Unix epoch."""

from datetime import UTC, date, datetime, timedelta
from operator import index

#: A datetime with its zone, a day (UTC), an ISO text of either, or ms since the Unix epoch.
Moment = datetime | date | str | int

_MICROSECONDS_A_MS = 1_000

#: No exchange sold bitcoin for money before; and seconds, microseconds or nanoseconds that are
#: taken for milliseconds lie outside.
FIRST_MS = 1_230_768_000_000  # 2009-01-01
LAST_MS = 253_402_300_799_999  # the last of the year 9999


def checked_ms(moment_ms: int, name: str = "time") -> int:
    """Return ``moment_ms`` if it can be ms since the Unix epoch of a market's time.

    Raises:
        ValueError: it cannot; the text guesses the unit.
    """
    if FIRST_MS <= moment_ms <= LAST_MS:
        return moment_ms
    raise ValueError(
        f"{name} was {moment_ms}, which as ms since the Unix epoch is no time from 2009 to 9999"
        f"{_guess(moment_ms)}"
    )


def _guess(number: int) -> str:
    for unit, factor in (("seconds", 1_000), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
        if FIRST_MS <= number * factor <= FIRST_MS * 4:
            return f"; it looks like {unit}: convert it, or use datetimes with a time zone"
    return ""


def moment_ms(moment: Moment, name: str = "time") -> int:
    """Return ``moment`` in ms since the Unix epoch.

    Args:
        moment: what was asked for.
        name: of the argument, for messages.

    Raises:
        ValueError: a datetime without its zone could mean any hour, a text is no ISO time, or a
            number cannot be ms since 2009.
    """
    if isinstance(moment, str):
        moment = _parse(moment, name)
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{name} was {moment.isoformat()!r} without a zone; append Z for UTC")
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        # Whole numbers only: a float would lose the last digits.
        seconds = since.days * 86_400 + since.seconds
        return checked_ms(seconds * 1_000 + since.microseconds // _MICROSECONDS_A_MS, name)
    if isinstance(moment, bool) or not hasattr(moment, "__index__"):
        raise ValueError(
            f"{name} was {moment!r}; expected a datetime with a time zone, a day, an ISO text or "
            "whole ms since the Unix epoch"
        )
    return checked_ms(index(moment), name)


def span_ms(span: timedelta | int, name: str) -> int:
    """Return a length of time in ms; whole numbers are ms.

    Raises:
        ValueError: it is negative.
    """
    length = span // timedelta(milliseconds=1) if isinstance(span, timedelta) else index(span)
    if length < 0:
        raise ValueError(f"{name} was {span}; it cannot be negative")
    return length


def _parse(text: str, name: str) -> datetime | date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{name} was {text!r}; expected e.g. 2026-09-21 or 2026-09-21T10:00Z"
        ) from None
