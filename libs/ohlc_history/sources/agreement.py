"""Trades without ids in several files: where the files overlap, they must hold the same ones."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from ohlc_history.deduplicate import DisorderError

_CONTENT = ["timestamp_us", "price", "quantity"]


class Covered(NamedTuple):
    """Some of a file's trades, and from when to when the file holds every trade.

    Attributes:
        part: the file.
        table: its trades, ascending, with their ``key``.
        first: the file's first key.
        last: its last key; None where it goes on behind these trades.
    """

    part: str
    table: pl.DataFrame
    first: int
    last: int | None


def agreed(pieces: Sequence[Covered]) -> pl.DataFrame:
    """Return the trades of all pieces, each once.

    Raises:
        DisorderError: two of them disagree.
    """
    ordered = sorted(pieces, key=lambda piece: piece.first)
    result = ordered[0]
    for piece in ordered[1:]:
        result = _both(result, piece)
    return result.table


def _both(one: Covered, other: Covered) -> Covered:
    """Join two pieces, of which the first begins no later."""
    last = _end(one)
    own_last = _end(other)
    begin, end = other.first, min(last, own_last)
    if begin > last:
        table = pl.concat([one.table, other.table])
        return Covered(f"{one.part} and {other.part}", table, one.first, other.last)
    _check_equal(one, other, begin, end)
    middle = [_group(one, other, time) for time in dict.fromkeys((begin, end))]
    key = pl.col("key")
    inside = one.table.filter((key > begin) & (key < end))
    before = one.table.filter(key < begin)
    after = (one if last > own_last else other).table.filter(key > end)
    parts = [before, middle[0], inside, *middle[1:], after]
    ends = None if one.last is None or other.last is None else max(one.last, other.last)
    return Covered(f"{one.part} and {other.part}", pl.concat(parts), one.first, ends)


def _end(piece: Covered) -> int:
    return (1 << 62) if piece.last is None else piece.last


def _check_equal(one: Covered, other: Covered, begin: int, end: int) -> None:
    key = pl.col("key")
    inner = (key > begin) & (key < end)
    ours, theirs = (
        piece.table.filter(inner).select(_CONTENT).sort(_CONTENT) for piece in (one, other)
    )
    if not ours.equals(theirs):
        left = pl.concat([ours, theirs]).group_by(_CONTENT).len()
        counts = ours.group_by(_CONTENT).len().rename({"len": "ours"})
        odd = left.join(counts, on=_CONTENT, how="left").filter(
            pl.col("ours").fill_null(0) * 2 != pl.col("len")
        )
        _disagree(one, other, int(odd["timestamp_us"].min()))  # type: ignore[arg-type]


def _group(one: Covered, other: Covered, time: int) -> pl.DataFrame:
    """Return the trades of a moment at which one of the files begins or ends.

    A file may have been cut within the moment: then it holds the first or the last of its trades.
    """
    ours, theirs = (piece.table.filter(pl.col("key") == time) for piece in (one, other))
    ours_rows, theirs_rows = (each.select(_CONTENT).rows() for each in (ours, theirs))
    if ours_rows == theirs_rows:
        return ours
    ours_cut, theirs_cut = (time in (piece.first, piece.last) for piece in (one, other))
    if theirs_cut and _contains(ours_rows, theirs_rows):
        return ours
    if ours_cut and _contains(theirs_rows, ours_rows):
        return theirs
    if one.last == time and other.first == time:
        longest = min(len(ours_rows), len(theirs_rows))
        same = next((n for n in range(longest, 0, -1) if ours_rows[-n:] == theirs_rows[:n]), 0)
        return pl.concat([ours, theirs.slice(same)])
    _disagree(one, other, time)
    raise AssertionError


def _contains(many: Sequence[object], few: Sequence[object]) -> bool:
    left = list(many)
    for row in few:
        if row not in left:
            return False
        left.remove(row)
    return True


def _disagree(one: Covered, other: Covered, time_us: int) -> None:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    raise DisorderError(
        f"{one.part} and {other.part} overlap, have no trade ids and disagree at "
        f"{when.isoformat()}: nothing says which of them is right; replay one of them alone"
    )
