"""Trades as columns, and what a run of them within one window adds to that window.

Working on columns keeps the per-trade cost inside the interpreter's C loops; a single trade is a
column of one, so there is one code path for all.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from operator import mul
from typing import NamedTuple, Protocol

from ohlc_core.domain.decimals import LARGEST, MAX_EXPONENT, ZERO, finest_exponent
from ohlc_core.domain.ordering import OrderKey, order_key
from ohlc_core.domain.trade import EARLIEST_US, TIME_LIMIT, Trade


class Span(NamedTuple):
    """Trades in ascending order of time that fall into the same window of every interval.

    Attributes:
        begin: position of the first trade.
        end: position behind the last trade.
        first_us: event time of the first trade.
        last_us: event time of the last trade.
    """

    begin: int
    end: int
    first_us: int
    last_us: int


class Segment(NamedTuple):
    """The trades of one product that arrived together and fall into the same window."""

    trade_count: int
    volume: Decimal
    price_quantity: Decimal
    buy_volume: Decimal | None
    high: Decimal
    low: Decimal
    first_key: OrderKey
    first_price: Decimal
    first_id: str
    last_key: OrderKey
    last_price: Decimal
    last_id: str


class Columns(Protocol):
    """The columns of some trades of one product, in their order of arrival.

    Attributes:
        dense: the ids as numbers, where it is known that each is its predecessor plus one.
        first_us: event time of the first trade, microseconds.
        last_us: event time of the last trade, microseconds.
    """

    dense: range | None
    first_us: int
    last_us: int

    @property
    def ids(self) -> Sequence[str]:
        """The ids as text."""

    def times_ascend(self) -> bool:
        """Return whether no trade is older than the one before it."""

    def spans(self, base_us: int) -> list[Span]:
        """Cut trades of ascending times at every multiple of base_us that lies between them."""

    def are_plainly_valid(self, segments: Sequence[Segment]) -> bool:
        """Return, cheaply, whether every trade is acceptable; False means: look at each of them."""

    def segments(
        self, spans: Sequence[Span], *, ascending_ids: bool, sequential: bool
    ) -> list[Segment]:
        """Sum up the trades of each span."""


class DecimalColumns:
    """Columns of decimals: exact for whatever a number may be."""

    __slots__ = (
        "dense",
        "first_us",
        "ids",
        "last_us",
        "prices",
        "quantities",
        "sides",
        "times",
    )

    def __init__(self, trades: Sequence[Trade]) -> None:
        self.dense: range | None = None
        self.times = [trade.timestamp_us for trade in trades]
        self.first_us, self.last_us = self.times[0], self.times[-1]
        self.ids = [trade.trade_id for trade in trades]
        self.prices = [trade.price for trade in trades]
        self.quantities = [trade.quantity for trade in trades]
        self.sides = [trade.side for trade in trades]

    def times_ascend(self) -> bool:
        """Return whether no trade is older than the one before it."""
        return self.times == sorted(self.times)

    def spans(self, base_us: int) -> list[Span]:
        """Cut trades of ascending times at every multiple of base_us that lies between them."""
        times, count = self.times, len(self.times)
        spans = []
        begin = 0
        while begin < count:
            base_end = times[begin] - times[begin] % base_us + base_us
            end = count if self.last_us < base_end else bisect_left(times, base_end, begin)
            spans.append(Span(begin, end, times[begin], times[end - 1]))
            begin = end
        return spans

    def are_plainly_valid(self, segments: Sequence[Segment]) -> bool:
        """Return, cheaply, whether every trade is acceptable; False means: look at each of them.

        Needs ascending times, and the segments of all trades: sums keep the finest of the
        exponents of their terms, and a sum of what is not negative bounds its terms.
        """
        return (
            self.first_us >= EARLIEST_US
            and self.last_us < TIME_LIMIT
            and min(self.quantities) >= 0
            and all(
                segment.low > 0
                and segment.high <= LARGEST
                and segment.volume <= LARGEST
                and finest_exponent(segment.volume) >= -MAX_EXPONENT
                and finest_exponent(segment.price_quantity) >= -2 * MAX_EXPONENT
                for segment in segments
            )
        )

    def segments(
        self, spans: Sequence[Span], *, ascending_ids: bool, sequential: bool
    ) -> list[Segment]:
        """Sum up the trades of each span."""
        return [
            self.segment(begin, end, ascending_ids=ascending_ids, sequential=sequential)
            for begin, end, _, _ in spans
        ]

    def segment(self, begin: int, end: int, *, ascending_ids: bool, sequential: bool) -> Segment:
        """Sum up the trades [begin, end), which must be in ascending order of time.

        Args:
            begin: position of the first trade.
            end: position behind the last trade.
            ascending_ids: the ids are known to be in the exchange's order already.
            sequential: whether the exchange's ids order its trades.
        """
        prices = self.prices[begin:end]
        quantities = self.quantities[begin:end]
        sides = self.sides[begin:end]
        bought = None
        if "unknown" not in sides:
            bought = sum(
                [
                    quantity
                    for quantity, side in zip(quantities, sides, strict=True)
                    if side == "buy"
                ],
                ZERO,
            )
        if ascending_ids:
            first, last = begin, end - 1
        else:
            first, last = self._ends(begin, end, sequential=sequential)
        return Segment(
            trade_count=end - begin,
            volume=sum(quantities, ZERO),
            price_quantity=sum(map(mul, prices, quantities), ZERO),
            buy_volume=bought,
            high=max(prices),
            low=min(prices),
            first_key=order_key(self.ids[first], self.times[first], sequential=sequential),
            first_price=self.prices[first],
            first_id=self.ids[first],
            last_key=order_key(self.ids[last], self.times[last], sequential=sequential),
            last_price=self.prices[last],
            last_id=self.ids[last],
        )

    def _ends(self, begin: int, end: int, *, sequential: bool) -> tuple[int, int]:
        """Return the positions of the first and the last trade in the exchange's order."""

        def key(position: int) -> OrderKey:
            return order_key(self.ids[position], self.times[position], sequential=sequential)

        positions = range(begin, end)
        return min(positions, key=key), max(positions, key=key)
