"""The moments a reader may name, as ms since the Unix epoch."""

from datetime import UTC, date, datetime

#: A datetime with its zone, a day (UTC), an ISO text of either, or ms since the Unix epoch.
Moment = datetime | date | str | int

_MICROSECONDS_A_MS = 1_000


def moment_ms(moment: Moment) -> int:
    """Return ``moment`` in ms since the Unix epoch.

    Raises:
        ValueError: a datetime without its zone could mean any hour, or a text is no ISO time.
    """
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        moment = _parse(moment)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        raise ValueError(f"time was {moment.isoformat()!r} without a zone; append Z for UTC")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    # Whole numbers only: a float would lose the last digits.
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // _MICROSECONDS_A_MS


def _parse(text: str) -> datetime | date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"time was {text!r}; expected e.g. 2026-09-21 or 2026-09-21T10:00Z"
        ) from None
