"""Which rows of a feature group a changed candle touches: pure arithmetic on window ends.

A candle that ends at e and is used with n windows of length i is part of exactly the rows T in
``[e, e + n x i)``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ohlc_core.domain.interval import Interval
from ohlc_features.define.group import FeatureGroup


class Changed(NamedTuple):
    """A candle that was written, whether or not it differs from the one before."""

    product_id: str
    interval: str
    end_ms: int


class Span(NamedTuple):
    """Times in ``[from_ms, to_ms)``."""

    from_ms: int
    to_ms: int


class Touched(NamedTuple):
    """The rows of a group and interval that must be evaluated again, where they exist.

    Attributes:
        own: per product, in the order of time, not overlapping.
        every: of all products: another product's candles are an input of every row.
    """

    own: Mapping[str, list[Span]]
    every: list[Span]


class Reach(NamedTuple):
    """How far back the inputs of a group's rows go.

    Attributes:
        own: per interval, the most windows of the row's own product.
        others: per product and interval, the most windows.
    """

    own: Mapping[str, int]
    others: Mapping[tuple[str, str], int]

    def lengths(self) -> dict[str, int]:
        """Return the most windows of each interval, whoever's candles they are."""
        lengths = dict(self.own)
        for (_, interval), length in self.others.items():
            lengths[interval] = max(lengths.get(interval, 0), length)
        return lengths


def length_ms(interval: str) -> int:
    """Return the length of an interval's windows in ms."""
    return Interval.parse(interval).us // 1_000


def first_end_ms(interval: str, from_ms: int) -> int:
    """Return the end of the first window that ends at or after ``from_ms``.

    Windows lie one behind the other, so their ends are starts, too.
    """
    return Interval.parse(interval).first_start(from_ms * 1_000) // 1_000


def last_end_ms(interval: str, at_ms: int) -> int:
    """Return the end of the last window that has ended at ``at_ms``."""
    return Interval.parse(interval).window_start(at_ms * 1_000) // 1_000


def reach(group: FeatureGroup, interval: str) -> Reach:
    """Return how far back the inputs of the rows of one interval go."""
    own: dict[str, int] = {interval: 1}
    others: dict[tuple[str, str], int] = {}
    for feature in group.features.values():
        for each in feature.inputs:
            source = each.interval or interval
            if each.product_id is None:
                own[source] = max(own.get(source, 0), each.length)
            else:
                key = (each.product_id, source)
                others[key] = max(others.get(key, 0), each.length)
    return Reach(own, others)


def touched_rows(group: FeatureGroup, interval: str, changed: Iterable[Changed]) -> Touched:
    """Return the rows that the changed candles are part of."""
    back = reach(group, interval)
    own: dict[str, list[Span]] = defaultdict(list)
    every: list[Span] = []
    for candle in changed:
        length = back.own.get(candle.interval)
        if length is not None:
            own[candle.product_id].append(_span(candle, length))
        length = back.others.get((candle.product_id, candle.interval))
        if length is not None:
            every.append(_span(candle, length))
    return Touched({product: merged(spans) for product, spans in own.items()}, merged(every))


def _span(candle: Changed, length: int) -> Span:
    return Span(candle.end_ms, candle.end_ms + length * length_ms(candle.interval))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans that cover the same times, in order and apart from each other."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and span.from_ms <= result[-1].to_ms:
            result[-1] = Span(result[-1].from_ms, max(result[-1].to_ms, span.to_ms))
        else:
            result.append(span)
    return result
