"""What a product's stream answers: what to append, and what it still misses."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ohlc_core.domain.trade import Trade
from ohlc_exchanges.base import Position

Source = Literal["websocket", "rest"]


class Append(NamedTuple):
    """Append these trades, which came from one source, in this order."""

    source: Source
    trades: tuple[Trade, ...]


class Begin(NamedTuple):
    """Nothing is known before: every trade at or after from_us follows."""

    from_us: int


class Gap(NamedTuple):
    """These ids, inclusive, could not be had."""

    first_missing_id: int
    last_missing_id: int


Output = Append | Begin | Gap


class Missing(NamedTuple):
    """What history should be asked for.

    Attributes:
        after: the last trade known; None: ask by time.
        from_us: the time to ask from, where ``after`` is None.
        until_id: the hole ends before this id; None: ask up to the newest trade.
    """

    after: Position | None
    from_us: int
    until_id: int | None


class Parked(NamedTuple):
    """A trade that waits behind a hole, and where it came from."""

    source: Source
    trade: Trade


def runs(parked: Iterable[Parked]) -> Iterator[Append]:
    """Join neighbours of one source into what is appended together."""
    run: list[Trade] = []
    source: Source = "websocket"
    for each in parked:
        if run and each.source != source:
            yield Append(source, tuple(run))
            run = []
        source = each.source
        run.append(each.trade)
    if run:
        yield Append(source, tuple(run))
