"""Trades as columns of integers of one scale: what makes counting a large record fast.

Exact like decimals: every number is an integer times a power of ten, and sums are integers of
64 bits whose bounds are checked, cut into parts where a product would not fit.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from operator import mul

import numpy as np
import numpy.typing as npt

from ohlc_core.domain.ordering import OrderKey, order_key
from ohlc_core.domain.segment import Segment, Span
from ohlc_core.domain.trade import EARLIEST_US, TIME_LIMIT

Integers = npt.NDArray[np.int64]

#: Integers below it survive the way through a double; see `Scaled`.
LARGEST_SCALED = 1 << 51
#: So many trades that sums of `LARGEST_SCALED` stay within 64 bits.
MAX_TRADES = 2_048
_BITS = 62


class Scaled:
    """A column of numbers: ``values`` times 10^-``decimals``, each below `LARGEST_SCALED`."""

    __slots__ = ("decimals", "values")

    def __init__(self, values: Integers, decimals: int) -> None:
        self.values = values
        self.decimals = decimals


class ScaledColumns:
    """The columns of some trades of one product.

    Args:
        ids: of the trades, in the order of arrival; a range where each is its predecessor plus
            one, in canonical text.
        prices: not negative.
        quantities: not negative.
        sides: a letter per trade: b, s or -.
        times: event times, microseconds.
    """

    def __init__(
        self,
        ids: range | list[str],
        prices: Scaled,
        quantities: Scaled,
        sides: str,
        times: Integers,
    ) -> None:
        self.first_us, self.last_us = int(times[0]), int(times[-1])
        self._times = times
        self.dense = ids if isinstance(ids, range) else None
        self._ids = None if isinstance(ids, range) else ids
        self._prices = prices
        self._quantities = quantities
        self._sides = sides

    @property
    def ids(self) -> Sequence[str]:
        """The ids as text."""
        if self._ids is None:
            self._ids = list(map(str, self.dense or ()))
        return self._ids

    def times_ascend(self) -> bool:
        """Return whether no trade is older than the one before it."""
        times = self._times
        return bool((times[1:] >= times[:-1]).all())

    def spans(self, base_us: int) -> list[Span]:
        """Cut trades of ascending times at every multiple of base_us that lies between them."""
        times, count = self._times, len(self._times)
        if self.first_us // base_us == self.last_us // base_us:
            return [Span(0, count, self.first_us, self.last_us)]
        windows = times // base_us
        begins = (np.flatnonzero(windows[1:] != windows[:-1]) + 1).tolist()
        borders = pairwise((0, *begins, count))
        return [Span(begin, end, int(times[begin]), int(times[end - 1])) for begin, end in borders]

    def are_plainly_valid(self, segments: Sequence[Segment]) -> bool:
        """Return whether every trade is acceptable. Needs ascending times, and their segments."""
        return (
            self.first_us >= EARLIEST_US
            and self.last_us < TIME_LIMIT
            and all(segment.low > 0 for segment in segments)
        )

    def segments(
        self, spans: Sequence[Span], *, ascending_ids: bool, sequential: bool
    ) -> list[Segment]:
        """Sum up the trades of each span; the spans are one behind the other and hold them all.

        Args:
            spans: [begin, end) positions.
            ascending_ids: the ids are known to be in the exchange's order already.
            sequential: whether the exchange's ids order its trades.
        """
        begins = [span.begin for span in spans]
        prices, quantities = self._prices.values, self._quantities.values
        bought = quantities * (np.frombuffer(self._sides.encode(), np.uint8) == ord("b"))
        price_places, places = self._prices.decimals, self._quantities.decimals
        some_unknown = "-" in self._sides
        volumes = np.add.reduceat(quantities, begins).tolist()
        highs = np.maximum.reduceat(prices, begins).tolist()
        products = _products(prices, quantities, begins, max(highs), max(volumes))
        sums = zip(
            spans,
            _decimals(volumes, places),
            _decimals(products, price_places + places),
            _decimals(np.add.reduceat(bought, begins).tolist(), places),
            _decimals(highs, price_places),
            _decimals(np.minimum.reduceat(prices, begins).tolist(), price_places),
            strict=True,
        )
        segments = []
        for (begin, end, _, _), volume, price_quantity, buys, high, low in sums:
            if ascending_ids:
                first, last = begin, end - 1
            else:
                first, last = self._ends(begin, end, sequential=sequential)
            unknown = some_unknown and "-" in self._sides[begin:end]
            segments.append(
                Segment(
                    trade_count=end - begin,
                    volume=volume,
                    price_quantity=price_quantity,
                    buy_volume=None if unknown else buys,
                    high=high,
                    low=low,
                    first_key=self._key(first, sequential=sequential),
                    first_price=self._price(first),
                    first_id=self._id(first),
                    last_key=self._key(last, sequential=sequential),
                    last_price=self._price(last),
                    last_id=self._id(last),
                )
            )
        return segments

    def _ends(self, begin: int, end: int, *, sequential: bool) -> tuple[int, int]:
        """Return the positions of the first and the last trade in the exchange's order."""

        def key(position: int) -> OrderKey:
            return self._key(position, sequential=sequential)

        positions = range(begin, end)
        return min(positions, key=key), max(positions, key=key)

    def _key(self, position: int, *, sequential: bool) -> OrderKey:
        if sequential and self.dense is not None:
            return (self.dense[position], 0, "")
        return order_key(self._id(position), int(self._times[position]), sequential=sequential)

    def _id(self, position: int) -> str:
        return self.ids[position] if self.dense is None else str(self.dense[position])

    def _price(self, position: int) -> Decimal:
        return int(self._prices.values[position]) * _unit(self._prices.decimals)


@cache
def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def _decimals(values: Sequence[int], places: int) -> list[Decimal]:
    unit = _unit(places)
    return [value * unit for value in values]


def _products(
    prices: Integers,
    quantities: Integers,
    begins: Sequence[int],
    max_price: int,
    max_volume: int,
) -> list[int]:
    """Return the exact sums of price times quantity of the spans that begin at ``begins``.

    No such sum is greater than the span's highest price times its volume.
    """
    if (max_price * max_volume).bit_length() <= _BITS:
        products: list[int] = np.add.reduceat(prices * quantities, begins).tolist()
        return products
    bits = _BITS - len(prices).bit_length() - max_price.bit_length()
    if bits <= 0:
        return _wide_products(prices, quantities, begins)
    max_low = ((1 << bits) - 1) * len(prices)
    low = _products(prices, quantities & ((1 << bits) - 1), begins, max_price, max_low)
    high = _products(prices, quantities >> bits, begins, max_price, max_volume >> bits)
    return [(above << bits) + below for above, below in zip(high, low, strict=True)]


def _wide_products(prices: Integers, quantities: Integers, begins: Sequence[int]) -> list[int]:
    products = list(map(mul, prices.tolist(), quantities.tolist()))
    return [sum(products[begin:end]) for begin, end in pairwise([*begins, len(products)])]
