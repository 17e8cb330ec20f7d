"""The candles of a store as rows, a range of windows at a time."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey
from ohlc_features.errors import StoreError
from ohlc_features.factory import open_reading
from ohlc_features.reading.source import CandleRange, CandleSource, Span
from ohlc_features.schema import FeatureRow, Kind, columns_of
from ohlc_features.settings import FeatureStoreSettings
from ohlc_history.sources.base import SourceError

# A query costs seconds in Hopsworks and a millisecond in a local store: ask for long ranges.
_WINDOWS_AT_ONCE = 10_000


class _Held(NamedTuple):
    from_ms: int
    to_ms: int
    rows: list[FeatureRow]


class StoredCandles:
    """A store's history as rows. Each call raises SourceError when the store cannot answer.

    Args:
        source: reads the store.
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

    def span(self, key: ProductKey, interval: str | None = None) -> Span | None:
        """Return the first window's start and the last one's end, or None without any."""
        try:
            return self._source.span(key.exchange, key.product_id, interval)
        except StoreError as error:
            raise SourceError(str(error)) from None

    def _read(self, key: ProductKey, interval: str, from_ms: int, to_ms: int) -> _Held:
        wanted = CandleRange(
            key.exchange, (key.product_id,), interval, from_ms, to_ms, include_incomplete=True
        )
        try:
            frame = self._source.history(wanted)
        except StoreError as error:
            raise SourceError(str(error)) from None
        in_ms = frame.select(FeatureRow._fields).with_columns(
            pl.col(columns_of(Kind.TIME)).cast(pl.Int64)
        )
        return _Held(from_ms, to_ms, [FeatureRow._make(row) for row in in_ms.iter_rows()])


@contextmanager
def stored_candles(settings: FeatureStoreSettings) -> Iterator[StoredCandles]:
    """Open the store for reading.

    Raises:
        SourceError: it cannot be read, or keeps no rows.
    """
    try:
        source = open_reading(settings)
    except StoreError as error:
        raise SourceError(str(error)) from None
    try:
        yield StoredCandles(source)
    finally:
        source.close()
