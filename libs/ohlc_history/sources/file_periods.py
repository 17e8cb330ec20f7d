"""Until when a file's trades go, where that shows without reading all of it."""

import re
from datetime import UTC, date, datetime, timedelta

from ohlc_history.sources.archive import DataFile
from ohlc_history.sources.delimited import tail_rows
from ohlc_history.sources.layouts import Layout
from ohlc_history.sources.values import slow_time_us

_DATE = re.compile(r"(?<![0-9])(20[0-9]{2})[-_](0[1-9]|1[0-2])(?:[-_]([0-2][0-9]|3[01]))?(?![0-9])")
# Trades are in the exchange's order, in which stamps may step back by less than this.
_MARGIN_US = 60_000_000
_DAY_US = 86_400_000_000


def end_by_name(name: str, first_us: int) -> int | None:
    """Return the end of the day or month that a file is named after, or None.

    A name is believed only where the file's first trade lies in that day or month; a day is
    added, for archives cut at another zone's midnight.
    """
    found = _DATE.findall(name)
    if len(found) != 1:
        return None
    year, month, day = found[0]
    try:
        begin = date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
    end = begin + timedelta(days=1) if day else _next_month(begin)
    begin_us, end_us = _us(begin) - _DAY_US, _us(end) + _DAY_US
    return end_us if begin_us <= first_us < end_us else None


def end_by_tail(file: DataFile, layout: Layout) -> int | None:
    """Return a time behind every trade of a sorted text file, from its last rows, or None."""
    place = layout.columns["timestamp"]
    times = []
    for row in tail_rows(file, layout):
        if len(row) > place and (time := slow_time_us(row[place], layout.times)) is not None:
            times.append(time)
    return max(times) + _MARGIN_US if times else None


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _us(day: date) -> int:
    since = datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * _DAY_US
