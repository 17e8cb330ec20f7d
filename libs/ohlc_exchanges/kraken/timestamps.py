"""On which side of a second a Kraken trade happened, where its REST time cannot say.

REST gives times as float64, whose neighbours lie 0.24 us apart, so a trade of the last 0.12 us of
a second is printed as the next whole second, in which no window of the websocket's stream has it.
The cursor ``since`` is exact to the nanosecond: asked from the whole second on, history either
holds the trade or it does not.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from ohlc_core.domain.trade import Trade

_US_PER_SECOND = 1_000_000
_NS_PER_SECOND = 1_000_000_000

# Among trades stamped in nanoseconds, one in eight million is rounded to a whole second. So many
# of them on one page are stamps of whole seconds, as those of Kraken's first years.
_MAX_ROUNDED = 8

#: Returns the first id that history holds from a cursor (ns) on; None where it holds none.
FirstIdSince = Callable[[int], int | None]


def doubtful_seconds(times: Sequence[Decimal]) -> list[int]:
    """Return the whole seconds that times of a page may have been rounded up to.

    Args:
        times: seconds as the page has them.
    """
    whole = {time for time in times if time == time.to_integral_value()}
    if len(whole) > _MAX_ROUNDED or len(whole) == len(set(times)):
        return []
    return sorted(int(time) for time in whole)


def settle(
    trades: Sequence[Trade],
    second: int,
    first_id_since: FirstIdSince,
    is_inclusive: Callable[[], bool],
) -> list[Trade]:
    """Return the trades, those which happened before the second stamped in its last microsecond.

    Args:
        trades: ascending by id.
        second: the doubtful one.
        first_id_since: asks history.
        is_inclusive: whether history holds trades stamped with the cursor itself.
    """
    second_us = second * _US_PER_SECOND
    if not any(trade.timestamp_us == second_us for trade in trades):
        return list(trades)
    begin_ns = second * _NS_PER_SECOND
    from_before = first_id_since(begin_ns - 1)
    from_second = first_id_since(begin_ns)
    # The answers differ by a trade 1 ns before the second where the cursor is inclusive, by one
    # stamped with the second itself where it is exclusive.
    first_id = from_before
    if from_before != from_second and is_inclusive():
        first_id = from_second
    return [
        msgspec.structs.replace(trade, timestamp_us=second_us - 1)
        if trade.timestamp_us == second_us and (first_id is None or int(trade.trade_id) < first_id)
        else trade
        for trade in trades
    ]
