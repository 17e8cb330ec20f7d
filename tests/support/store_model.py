"""The plainest model of what a store holds: one candle after the other, the rule spelt out."""

import itertools
from collections.abc import Sequence
from typing import cast

from hypothesis import strategies as st

from ohlc_core.domain.candle import Candle
from ohlc_features.checking.store_suite import Delivery, expected_rows
from ohlc_features.schema import FeatureRow, Origin
from support.candle_records import candle
from support.feature_db import StoredRows


def model(deliveries: Sequence[Delivery], *, write_incomplete: bool) -> StoredRows:
    """Return what a store holds after ``deliveries``."""
    history = expected_rows(deliveries, write_incomplete=write_incomplete)
    latest: dict[tuple[object, ...], FeatureRow] = {}
    for row in history:
        if row.complete:
            latest[row[:3]] = row
    return StoredRows(history, list(latest.values()))


@st.composite
def any_candles(draw: st.DrawFn) -> tuple[str, Candle]:
    """Return an origin and a candle; equal ones in what the rule looks at are equal in all."""
    product = draw(st.sampled_from(["BTC/USD", "ETH/USD"]))
    window, revision = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    count = draw(st.integers(1, 3))
    complete, origin = draw(st.booleans()), draw(st.sampled_from(["live", "backfill"]))
    by_backfill = origin == "backfill" and complete
    close = 1_000 * window + 100 * count + 10 * revision + 2 * by_backfill + complete
    made = candle(
        window,
        product_id=product,
        revision=revision,
        complete=complete,
        trade_count=count,
        close=str(close),
    )
    return origin if complete else "live", made


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """Batches of both writers in any order, with candles delivered again in later ones."""
    candles = draw(st.lists(any_candles(), min_size=1, max_size=20))
    again = draw(st.lists(st.sampled_from(candles), max_size=12))
    return _in_batches(draw, draw(st.permutations(candles + again)))


def _in_batches(draw: st.DrawFn, order: Sequence[tuple[str, Candle]]) -> list[Delivery]:
    """Cut one order into batches: of one origin each, as a process writes."""
    batches = []
    for origin, same in itertools.groupby(order, key=lambda each: each[0]):
        candles = [each for _, each in same]
        cuts = sorted(draw(st.sets(st.integers(1, len(candles)), max_size=3)))
        bounds = sorted({0, *cuts, len(candles)})
        batches += [
            Delivery(cast("Origin", origin), candles[a:b]) for a, b in itertools.pairwise(bounds)
        ]
    return batches


@st.composite
def faithful_deliveries(draw: st.DrawFn) -> tuple[list[Delivery], list[Delivery]]:
    """Return two interleavings of what live and a backfill deliver, each in its topic's order.

    Live windows get trades and corrections, and gaps that become known late; a backfill has every
    trade where it is complete. Both may deliver from an earlier offset again.
    """
    live: list[tuple[str, Candle]] = []
    back: list[tuple[str, Candle]] = []
    for window in range(draw(st.integers(1, 3))):
        count = 1
        for revision in range(draw(st.integers(0, 3))):
            count = min(5, count + draw(st.integers(0, 2)))
            complete = draw(st.booleans())
            live.append(("live", _seen(window, count, revision, complete=complete)))
        if draw(st.booleans()):
            back.append(("backfill", _seen(window, 5, 0, complete=True)))
    one, other = (
        _in_batches(draw, _interleaved(draw, _repeating(draw, live), _repeating(draw, back)))
        for _ in range(2)
    )
    return one, other


def _seen(window: int, count: int, revision: int, *, complete: bool) -> Candle:
    return candle(
        window, trade_count=count, revision=revision, complete=complete, close=str(100 + count)
    )


def _repeating(draw: st.DrawFn, topic: list[tuple[str, Candle]]) -> list[tuple[str, Candle]]:
    begin = draw(st.integers(0, len(topic)))
    return topic + topic[begin:]


def _interleaved(
    draw: st.DrawFn, one: list[tuple[str, Candle]], other: list[tuple[str, Candle]]
) -> list[tuple[str, Candle]]:
    places = draw(st.permutations([0] * len(one) + [1] * len(other)))
    topics = [iter(one), iter(other)]
    return [next(topics[place]) for place in places]
