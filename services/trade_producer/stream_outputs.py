"""What a product's stream returns: what to append, and what it still misses."""

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
    """These ids, inclusive, could not be retrieved."""

    first_missing_id: int
    last_missing_id: int


class Reject(NamedTuple):
    """These trades cannot be the product's: they go to the dead-letter topic."""

    reason: str
    trades: tuple[Trade, ...]


Output = Append | Begin | Gap | Reject


class Missing(NamedTuple):
    """What history should be asked for.

    Attributes:
        after: the last trade known; None: ask by time.
        from_us: the time to ask from, where ``after`` is None.
        until_id: the gap ends before this id; None: ask up to the newest trade.
    """

    after: Position | None
    from_us: int
    until_id: int | None


class Buffered(NamedTuple):
    """A trade that waits behind a gap, and where it came from."""

    source: Source
    trade: Trade


def runs(buffered: Iterable[Buffered]) -> Iterator[Append]:
    """Join neighbours of one source into what is appended together."""
    run: list[Trade] = []
    source: Source = "websocket"
    for each in buffered:
        if run and each.source != source:
            yield Append(source, tuple(run))
            run = []
        source = each.source
        run.append(each.trade)
    if run:
        yield Append(source, tuple(run))
