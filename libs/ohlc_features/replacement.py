"""Which of two candles of a window a store keeps, and which candles no store can keep.

Pure rules. `rank` is the one place of the replacement rule: it is asked of rows in memory and, as
an expression, of the tables in SQL.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import MAX_EXPONENT
from ohlc_core.domain.interval import Interval
from ohlc_features.schema import SCHEMA_COLUMNS, FeatureRow, Kind, Origin

#: The origin of rows that a backfill wrote, as the column ``origin`` says it.
BACKFILL: Origin = "backfill"

# Postgres indexes keys of up to 2,704 bytes, of which a character takes up to four.
_MAX_CHARACTERS = 200

#: What the newest row is kept for: exchange, product, interval.
OnlineKey = tuple[str, str, str]

#: What every row of the history is kept for; with the window's start in ms.
HistoryKey = tuple[str, str, str, int]


def rank(row: Any, origin: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a row, or columns of SQL
    """Return what decides between two candles of a window: the greater tuple stays.

    More trades first, since trades of a window only ever get added; then the one that a backfill
    found complete; then the higher revision; then the complete one. Of equal ones the later one
    stays, so a repeated backfill repairs.

    Args:
        row: a candle, a row, or a table's columns.
        origin: ``live`` or ``backfill``, or the column of it.
    """
    return row.trade_count, (origin == BACKFILL) & row.complete, row.revision, row.complete


def replaces(new: FeatureRow, old: FeatureRow) -> bool:
    """Return whether ``new`` takes the place of ``old``, the stored row of the same window.

    A row that says the same takes no place: repeating a write changes nothing.
    """
    ranks = rank(new, new.origin), rank(old, old.origin)
    if ranks[0] != ranks[1]:
        return ranks[0] > ranks[1]
    return new._replace(stored_at=old.stored_at) != old


class Settled(NamedTuple):
    """What a batch comes to.

    Attributes:
        rows: what each window that changes holds from now on.
        incomplete: how many incomplete candles were left out, their windows not being held.
    """

    rows: dict[HistoryKey, FeatureRow]
    incomplete: int


def settle(
    held: Mapping[HistoryKey, FeatureRow],
    rows: Iterable[FeatureRow],
    takes_incomplete: Callable[[FeatureRow], bool],
) -> Settled:
    """Return what a store comes to hold when ``rows`` arrive one after the other.

    Args:
        held: the store's rows of the same windows.
        rows: in the order of arrival; repeats allowed.
        takes_incomplete: whether an incomplete row is taken for a window that is not held.
    """
    changed: dict[HistoryKey, FeatureRow] = {}
    left_out = 0
    for row in rows:
        key = row[:4]
        standing = changed.get(key) or held.get(key)
        if standing is None:
            if row.complete or takes_incomplete(row):
                changed[key] = row
            else:
                left_out += 1
        elif replaces(row, standing):
            changed[key] = row
    # What came back to what is held already is no change.
    for key in [each for each in changed if each in held]:
        if changed[key] == held[key]._replace(stored_at=changed[key].stored_at):
            del changed[key]
    return Settled(changed, left_out)


def online_key(row: FeatureRow | HistoryKey) -> OnlineKey:
    """Return the key of the newest row ``row`` may become."""
    return row[:3]


def newest_windows(rows: Iterable[FeatureRow]) -> dict[OnlineKey, FeatureRow]:
    """Return the newest complete row of each key; ``rows`` holds each window once."""
    newest: dict[OnlineKey, FeatureRow] = {}
    for row in rows:
        if row.complete:
            old = newest.get(key := online_key(row))
            if old is None or row.window_start > old.window_start:
                newest[key] = row
    return newest


def reason_to_reject(candle: Candle) -> str | None:
    """Return why no store could keep ``candle``, or None when every store can."""
    for field, check in _CHECKS:
        value = getattr(candle, field)
        if value is not None and (defect := check(value)) is not None:
            return f"{field} {defect}"
    return _wrong_window(candle)


def _wrong_text(text: str) -> str | None:
    if not text:
        return "is empty"
    if len(text) > _MAX_CHARACTERS:
        return f"is longer than {_MAX_CHARACTERS} characters"
    return "holds a NUL character" if "\0" in text else None  # Postgres has no room for one


def _wrong_count(count: int) -> str | None:
    return None if 0 <= count < 1 << 31 else "is negative or out of range"


def _wrong_number(number: Decimal) -> str | None:
    # More digits than a double has are no reason to refuse a row: only what would become another
    # number altogether, 0 or infinity.
    if not number.is_finite() or (number and number.adjusted() > MAX_EXPONENT):
        return "is no number in range"
    if number and abs(float(number)) < sys.float_info.min:
        return "is too small for a double, which would hold 0"
    return None


def _wrong_time(time_ms: int) -> str | None:
    return None if 0 <= time_ms < 1 << 53 else "is not a time since the Unix epoch"


_CHECK_OF_KIND: dict[Kind, Callable[[Any], str | None]] = {
    Kind.TEXT: _wrong_text,
    Kind.TIME: _wrong_time,
    Kind.DOUBLE: _wrong_number,
    Kind.COUNT: _wrong_count,
    Kind.FLAG: lambda _flag: None,
}

_CHECKS = tuple(
    (column.about.field, _CHECK_OF_KIND[column.about.kind])
    for column in SCHEMA_COLUMNS
    if column.about.field
)


def _wrong_window(candle: Candle) -> str | None:
    try:
        interval = _interval(candle.interval)
    except ValueError as error:
        return str(error)
    start, end = candle.window_start_ms, candle.window_end_ms
    if (end - start) * 1_000 != interval.us:
        return "window_end_ms is not window_start_ms plus the interval"
    if interval.window_start(start * 1_000) != start * 1_000:
        return "window_start_ms is not a multiple of the interval"
    return None


@lru_cache(maxsize=256)
def _interval(text: str) -> Interval:
    return Interval.parse(text)
