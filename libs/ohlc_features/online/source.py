"""Reading: the newest rows from Redis, everything else from the feature store."""

from typing import Any

import polars as pl
from loguru import logger

from ohlc_features.errors import StoreUnavailableError
from ohlc_features.online.newest import NewestRows, candle_key, group_key
from ohlc_features.reading.frames import frame_of_rows
from ohlc_features.reading.groups import StoredFeature, StoredGroup
from ohlc_features.reading.source import CandleRange, CandleSource, LatestRow, Span


class OnlineSource:
    """A `CandleSource`. What Redis does not have, or while it does not answer, the store gives.

    Args:
        inner: the feature store.
        newest: Redis.
        group: name and version of the candles' feature group.
    """

    def __init__(self, inner: CandleSource, newest: NewestRows, group: str) -> None:
        self._inner = inner
        self._newest = newest
        self._group = group
        self._answers = True

    def latest(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the newest complete candle of each product of the range."""
        if wanted.product_ids is None:
            return self._inner.latest(wanted)
        exchange, products, interval = wanted.exchange, wanted.product_ids, wanted.interval
        keys = [candle_key(self._group, exchange, product, interval) for product in products]
        found = dict(zip(products, self._rows(keys), strict=True))
        rows = [tuple(row) for _, row in filter(None, found.values())]
        missing = tuple(product for product, row in found.items() if row is None)
        frame = frame_of_rows(sorted(rows))
        if not missing:
            return frame
        rest = self._inner.latest(wanted._replace(product_ids=missing))
        return pl.concat([frame, rest]).sort("product_id") if rows else rest

    def latest_feature_row(self, group: StoredGroup, wanted: CandleRange) -> LatestRow | None:
        """Return the newest row of the range's one product, or None."""
        (product,) = wanted.product_ids or ("",)
        of = (wanted.exchange, product, wanted.interval)
        row, candle = self._rows([group_key(group.table, *of), candle_key(self._group, *of)])
        if row is None or candle is None:
            return self._inner.latest_feature_row(group, wanted)
        end_ms, (*values, complete) = row
        return LatestRow(end_ms, values, complete, candle[0])

    def _rows(self, keys: list[str]) -> list[tuple[int, list[Any]] | None]:
        try:
            found = self._newest.rows(keys)
        except StoreUnavailableError as error:
            if self._answers:
                logger.warning("{}; the feature store is read instead", error)
            self._answers = False
            return [None] * len(keys)
        self._answers = True
        return found

    # --- from the feature store ------------------------------------------------------------------

    def history(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the candles of the range."""
        return self._inner.history(wanted)

    def versions(self, wanted: CandleRange) -> pl.DataFrame:
        """Return every row that the range's windows ever had."""
        return self._inner.versions(wanted)

    def last_start_known_at(self, wanted: CandleRange, moment_ms: int) -> int | None:
        """Return the earliest of the products' last windows that had ended by the moment."""
        return self._inner.last_start_known_at(wanted, moment_ms)

    def span(self, exchange: str, product_id: str, interval: str | None = None) -> Span | None:
        """Return what the store holds of the product."""
        return self._inner.span(exchange, product_id, interval)

    def keys(self) -> pl.DataFrame:
        """Return what has a newest row."""
        return self._inner.keys()

    def definitions(self) -> list[StoredFeature]:
        """Return the features of every group that was written to the store."""
        return self._inner.definitions()

    def feature_rows(self, group: StoredGroup, wanted: CandleRange) -> pl.DataFrame:
        """Return a group's rows of the range."""
        return self._inner.feature_rows(group, wanted)

    def close(self) -> None:
        """Close both."""
        self._newest.close()
        self._inner.close()
