"""On which side of a second a Kraken trade happened, where its REST time can not say.

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

FirstIdSince = Callable[[int], int | None]


def doubtful_second(times: Sequence[Decimal]) -> int | None:
    """Return the whole second that one of a page's times may have been rounded up to.

    Several whole seconds on one page are stamps of whole seconds, which nothing rounded: among
    trades stamped in nanoseconds one in eight million is printed so.

    Args:
        times: seconds as the page tells them.
    """
    whole = {time for time in times if time == time.to_integral_value()}
    if len(whole) != 1 or len(whole) == len(set(times)):
        return None
    return int(whole.pop())


def settle(trades: Sequence[Trade], second: int, first_id_since: FirstIdSince) -> list[Trade]:
    """Return the trades, those which happened before the second stamped in its last microsecond.

    Args:
        trades: ascending by id.
        second: the doubtful one.
        first_id_since: returns the first id that history holds from a cursor (ns) on; None if it
            could not be had, which leaves the trades as they are.
    """
    second_us = second * _US_PER_SECOND
    if not any(trade.timestamp_us == second_us for trade in trades):
        return list(trades)
    # A nanosecond earlier is right whether the cursor includes its own stamp or not.
    first_id = first_id_since(second * _NS_PER_SECOND - 1)
    if first_id is None:
        return list(trades)
    return [
        msgspec.structs.replace(trade, timestamp_us=second_us - 1)
        if trade.timestamp_us == second_us and int(trade.trade_id) < first_id
        else trade
        for trade in trades
    ]
