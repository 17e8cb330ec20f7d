"""Rows as they are in Hopsworks' offline store, which is asked for long ranges, not often."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import polars as pl

from ohlc_backfill.verification.stored import Span
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_features.errors import StoreError
from ohlc_features.hopsworks.reader import HopsworksSource
from ohlc_features.reading.source import CandleRange, CandleSource
from ohlc_features.schema import FeatureRow
from ohlc_features.settings import FeatureStoreSettings
from ohlc_history.sources.base import SourceError

_WINDOWS_AT_ONCE = 10_000


class _Held(NamedTuple):
    from_ms: int
    to_ms: int
    rows: list[FeatureRow]


class HopsworksRows:
    """The offline rows of a feature group.

    Args:
        source: reads the group; each read is a query of seconds, whatever it asks for.
    """

    def __init__(self, source: CandleSource) -> None:
        self._source = source
        self._held: dict[tuple[ProductKey, str], _Held] = {}

    def between(self, key: ProductKey, interval: str, from_ms: int, to_ms: int) -> list[FeatureRow]:
        """Return the rows whose windows start in [from_ms, to_ms), ascending."""
        held = self._held.get((key, interval))
        if held is None or from_ms < held.from_ms or to_ms > held.to_ms:
            ahead_ms = _WINDOWS_AT_ONCE * Interval.parse(interval).us // 1_000
            held = self._read(key, interval, from_ms, max(to_ms, from_ms + ahead_ms))
            self._held[key, interval] = held
        starts = [row.window_start for row in held.rows]
        return held.rows[bisect_left(starts, from_ms) : bisect_left(starts, to_ms)]

    def span(self, key: ProductKey) -> Span | None:
        """Refuse: it would read the whole history.

        Raises:
            SourceError: always.
        """
        raise SourceError(
            f"what Hopsworks holds of {key} is not looked for; set FROM_DAY and TO_DAY"
        )

    def _read(self, key: ProductKey, interval: str, from_ms: int, to_ms: int) -> _Held:
        wanted = CandleRange(key.exchange, (key.product_id,), interval, from_ms, to_ms)
        try:
            frame = self._source.history(wanted)
        except StoreError as error:
            raise SourceError(str(error)) from None
        in_ms = frame.with_columns(pl.col("window_start", "window_end").cast(pl.Int64))
        return _Held(from_ms, to_ms, [FeatureRow._make(row) for row in in_ms.iter_rows()])


@contextmanager
def hopsworks_rows(settings: FeatureStoreSettings) -> Iterator[HopsworksRows]:
    """Log in and open the feature group for reading.

    Raises:
        SourceError: it can not be read, or there is none.
    """
    try:
        source = HopsworksSource.open(settings)
    except StoreError as error:
        raise SourceError(str(error)) from None
    try:
        yield HopsworksRows(source)
    finally:
        source.close()
