"""Keys of windows as few ranges, so that a batch asks the database few questions."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from ohlc_core.domain.interval import Interval
from ohlc_features.replacement import HistoryKey

#: Windows that may lie between two of one range without being asked for; reading those few is
#: cheaper than another range.
_SKIPPED_WINDOWS = 32

Range = tuple[str, str, str, int, int]


def ranges_of(ordered: Sequence[HistoryKey]) -> list[Range]:
    """Return ranges (exchange, product, interval, first start, last start) that hold all keys.

    They are ascending and do not overlap.

    Args:
        ordered: the keys, ascending.
    """
    if not ordered:
        return []
    begins, ends = [ordered[0]], []
    for before, key in pairwise(ordered):
        near = before[3] + _SKIPPED_WINDOWS * _interval_ms(key[2])
        if key[3] > near or key[:3] != before[:3]:
            ends.append(before[3])
            begins.append(key)
    ends.append(ordered[-1][3])
    return [(*key, end) for key, end in zip(begins, ends, strict=True)]


@lru_cache(maxsize=256)
def _interval_ms(text: str) -> int:
    return Interval.parse(text).us // 1_000
