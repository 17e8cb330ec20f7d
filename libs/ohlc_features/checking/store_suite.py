"""What every feature store must do, as a check for the tests of any store.

The rule of which candle stays is spelt out here a second time, apart from
`ohlc_features.replacement`.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from ohlc_core.domain.candle import Candle
from ohlc_features.base import FeatureStore
from ohlc_features.schema import FeatureRow, Origin, feature_row

_MINUTE_MS = 60_000
_FIRST_MS = 1_790_000_040_000


class OpenStore(Protocol):
    """Opens the store under test for a writer."""

    def __call__(self, *, origin: Origin, write_incomplete: bool) -> FeatureStore:
        """Return the store, ready to be written."""


class Delivery(NamedTuple):
    """A batch of one writer."""

    origin: Origin
    candles: list[Candle]


def check_store(
    open_store: OpenStore, rows: Callable[[], Iterable[FeatureRow]], *, rounds: int = 20
) -> None:
    """Write seeded deliveries into one store, and compare what it holds after each.

    Args:
        open_store: opens the same store each time, for a live or a backfill writer.
        rows: returns all the store's rows while no writer has it open; ``stored_at`` is not
            compared.
        rounds: of deliveries, each for products of its own.

    Raises:
        AssertionError: it holds something else than the rule gives.
    """
    for seed in range(rounds):
        draw = random.Random(seed)
        write_incomplete = bool(seed % 2)
        product = f"P{seed}/USD"
        deliveries = [_delivery(draw, product) for _ in range(draw.randrange(1, 7))]
        for delivery in deliveries:
            store = open_store(origin=delivery.origin, write_incomplete=write_incomplete)
            try:
                store.write(delivery.candles)
            finally:
                store.close()
        held = sorted(
            row._replace(complete=bool(row.complete), stored_at=0)
            for row in rows()
            if row.product_id == product
        )
        wanted = expected_rows(deliveries, write_incomplete=write_incomplete)
        assert held == wanted, f"seed {seed}: the store holds {held}; the rule gives {wanted}"


def expected_rows(deliveries: Sequence[Delivery], *, write_incomplete: bool) -> list[FeatureRow]:
    """Return the rows that a store holds after the deliveries, by key."""
    held: dict[tuple[object, ...], FeatureRow] = {}
    for delivery in deliveries:
        for each in delivery.candles:
            row = feature_row(each, delivery.origin)
            old = held.get(row[:4])
            if old is None:
                if row.complete or write_incomplete:
                    held[row[:4]] = row
            elif not _stays(old, row):
                held[row[:4]] = row
    return [held[key] for key in sorted(held)]


def _stays(old: FeatureRow, new: FeatureRow) -> bool:
    if new.trade_count != old.trade_count:
        return old.trade_count > new.trade_count
    by_backfill = [row.origin == "backfill" and row.complete for row in (old, new)]
    if by_backfill[0] != by_backfill[1]:
        return by_backfill[0]
    if new.revision != old.revision:
        return old.revision > new.revision
    return old.complete and not new.complete


def _delivery(draw: random.Random, product: str) -> Delivery:
    origin: Origin = draw.choice(("live", "backfill"))
    candles = [_candle(draw, product, origin) for _ in range(draw.randrange(1, 9))]
    return Delivery(origin, candles + draw.sample(candles, draw.randrange(len(candles))))


def _candle(draw: random.Random, product: str, origin: Origin) -> Candle:
    """Return a candle; equal ones in what the rule looks at are equal in all."""
    window, count, revision = draw.randrange(4), draw.randrange(1, 4), draw.randrange(3)
    complete = draw.random() < 0.6
    by_backfill = origin == "backfill" and complete
    close = Decimal(1_000 * window + 100 * count + 10 * revision + 2 * by_backfill + complete)
    start = _FIRST_MS + window * _MINUTE_MS
    return Candle(
        exchange="kraken",
        product_id=product,
        interval="1m",
        window_start_ms=start,
        window_end_ms=start + _MINUTE_MS,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=Decimal("0.5"),
        vwap=close,
        trade_count=count,
        buy_volume=Decimal("0.25") if window else None,
        first_trade_id="1",
        last_trade_id=str(count),
        complete=complete,
        revision=revision,
    )
