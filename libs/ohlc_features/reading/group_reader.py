"""The part of the reader that is about features beyond candles."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_features.errors import StoreUnavailableError
from ohlc_features.reading.groups import StoredGroup, find_group, stored_groups
from ohlc_features.reading.source import CandleRange, CandleSource
from ohlc_features.reading.statistics import statistics
from ohlc_features.reading.times import Moment
from ohlc_features.reading.training import Target, targets


class NotReadyError(StoreUnavailableError):
    """The newest feature row is incomplete, too old or not there: serve nothing from it."""


class FeatureVector(NamedTuple):
    """One row for serving.

    Attributes:
        window_end: when it was known, UTC.
        values: by feature, in the group's order; None where a feature is not defined.
    """

    window_end: datetime
    values: dict[str, float | None]


RangeOf = Callable[..., CandleRange]


class GroupReading:
    """What `FeatureReader` can do with feature groups.

    ``group`` is a group's name, which means its newest version, or name and version
    (``momentum_1``).
    """

    _source: CandleSource
    _delay_ms: int
    _range: RangeOf

    def groups(self) -> list[StoredGroup]:
        """Return every feature group of the store, with its features."""
        return stored_groups(self._source.definitions())

    def features(
        self,
        group: str,
        exchange: str,
        product_ids: str | list[str] | tuple[str, ...] | None,
        interval: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        include_incomplete: bool = False,
    ) -> pl.DataFrame:
        """Return a group's rows of windows that start in ``[start, end)``.

        Args:
            group: its name.
            exchange: e.g. ``kraken``.
            product_ids: one, several, or None for all of the exchange.
            interval: e.g. ``1m``.
            start: the first moment, None for the beginning.
            end: the first moment not asked for, None for the end.
            include_incomplete: whether to return rows some of whose candles were missing.

        Raises:
            StoreRejectedError: there is no such group.
        """
        wanted = self._range(exchange, product_ids, interval, start, end)
        wanted = wanted._replace(include_incomplete=include_incomplete)
        found = find_group(self._source.definitions(), group)
        return self._source.feature_rows(found, wanted)

    def vector(
        self,
        group: str,
        exchange: str,
        product_id: str,
        interval: str,
        *,
        max_age: timedelta | None = None,
    ) -> FeatureVector:
        """Return the newest row of a product, for serving.

        Args:
            group: its name.
            exchange: e.g. ``kraken``.
            product_id: whose row.
            interval: e.g. ``1m``.
            max_age: since the row's window ended. None: two intervals and the usual delivery time.

        Raises:
            NotReadyError: the row is incomplete, older than ``max_age`` or than the newest candle
                (no writer keeps the group in step), or there is none.
            StoreRejectedError: there is no such group.
        """
        found = find_group(self._source.definitions(), group)
        wanted = self._range(exchange, product_id, interval)
        row = self._source.latest_feature_row(found, wanted)
        what = f"the newest {found.table} row of {exchange}:{product_id} {interval}"
        if row is None:
            raise NotReadyError(f"{what} is not there yet")
        window_end_ms, values, complete, candle_end_ms = row
        if max_age is None:
            step = timedelta(microseconds=Interval.parse(interval).us)
            max_age = 2 * step + timedelta(milliseconds=self._delay_ms)
        age = timedelta(milliseconds=time.time_ns() // 1_000_000 - window_end_ms)
        if age > max_age:
            raise NotReadyError(
                f"{what} is {age.total_seconds():.0f} s old, more than "
                f"{max_age.total_seconds():.0f} s (max_age)"
            )
        if candle_end_ms > window_end_ms:
            raise NotReadyError(
                f"{what} is older than the newest candle: the feature writer that runs does not "
                "keep this group in step; set its FEATURE_DEFINITIONS, then run features build"
            )
        if not complete:
            raise NotReadyError(f"{what} is not complete: candles of its windows are missing")
        names = (each.feature for each in found.features)
        end = datetime.fromtimestamp(window_end_ms / 1_000, UTC)
        return FeatureVector(end, dict(zip(names, values, strict=True)))

    def training(
        self,
        group: str,
        exchange: str,
        product_ids: str | list[str] | tuple[str, ...] | None,
        interval: str,
        *,
        target: Target = "return",
        horizon: int = 1,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> pl.DataFrame:
        """Return complete feature rows, each with its target.

        Rows whose future is not stored yet, or misses a candle, are left out.

        Args:
            group: its name.
            exchange: e.g. ``kraken``.
            product_ids: one, several, or None for all of the exchange.
            interval: e.g. ``1m``.
            target: ``return`` of the close over the horizon, its ``direction`` (-1, 0 or 1), or a
                function of `Candles`: the row's own candle and the ``horizon`` candles behind it.
            horizon: windows behind the row.
            start: the first moment, None for the beginning.
            end: the first moment not asked for, None for the end.

        Raises:
            StoreRejectedError: there is no such group.
            ValueError: an argument is wrong, or the target's function failed.
        """
        rows = self.features(group, exchange, product_ids, interval, start=start, end=end)
        wanted = self._range(exchange, product_ids, interval, start)
        future = targets(self._source.history(wanted), target, horizon)
        return rows.join(
            future, on=["product_id", "window_end"], how="inner", maintain_order="left"
        ).drop_nulls("target")

    def statistics(
        self,
        group: str,
        exchange: str,
        product_ids: str | list[str] | tuple[str, ...] | None,
        interval: str,
        *,
        recent: timedelta = timedelta(days=1),
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> pl.DataFrame:
        """Return count, nulls, mean, deviation and quantiles of each feature, and its drift.

        Args:
            group: its name.
            exchange: e.g. ``kraken``.
            product_ids: one, several, or None for all of the exchange.
            interval: e.g. ``1m``.
            recent: the last part of the range, which is compared with the rest of it.
            start: the first moment, None for the beginning.
            end: the first moment not asked for, None for the end.
        """
        rows = self.features(
            group, exchange, product_ids, interval, start=start, end=end, include_incomplete=True
        )
        names = [each.feature for each in find_group(self._source.definitions(), group).features]
        newest = rows["window_end"].max()
        if newest is None:
            return statistics(rows, names, rows, rows)
        is_recent = pl.col("window_end") > pl.lit(newest) - recent
        reference = rows.filter(~is_recent)
        return statistics(rows, names, reference, rows.filter(is_recent))
