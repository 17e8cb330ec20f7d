"""The reader that training and serving code share."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_core.service.settings import load
from ohlc_features.factory import open_reading
from ohlc_features.reading.as_of import join_as_of, label_moments
from ohlc_features.reading.frames import TIME
from ohlc_features.reading.grid import fill_grid
from ohlc_features.reading.source import CandleRange, CandleSource
from ohlc_features.reading.times import Moment, moment_ms
from ohlc_features.settings import FeatureStoreSettings

Products = str | Sequence[str] | None


class FeatureReader:
    """Reads candles as features; the same calls for every store.

    Frames are polars'; ``.to_pandas()`` makes them pandas'. Their columns and types are
    `ohlc_features.reading.frames.SCHEMA`. Every call raises StoreUnavailableError or
    StoreRejectedError when the store can not answer, and ValueError for a wrong argument.
    """

    def __init__(self, source: CandleSource) -> None:
        self._source = source

    @classmethod
    def open(cls, store: FeatureStoreSettings | str | None = None) -> "FeatureReader":
        """Open the store of some settings, of a FEATURE_STORE_URL, or of the environment (None).

        Raises:
            SettingsError: the settings are wrong.
            StoreRejectedError: the store can not be opened, or nothing can be read from it.
        """
        if store is None:
            store = load(FeatureStoreSettings)
        elif isinstance(store, str):
            store = load(FeatureStoreSettings, feature_store="local", feature_store_url=store)
        return cls(open_reading(store))

    def candles(
        self,
        exchange: str,
        product_ids: Products,
        interval: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        fill_gaps: bool = False,
    ) -> pl.DataFrame:
        """Return the history of windows that start in ``[start, end)``, for training.

        Args:
            exchange: e.g. ``kraken``.
            product_ids: one, several, or None for all of the exchange.
            interval: e.g. ``1m``.
            start: the first moment, None for the beginning.
            end: the first moment not asked for, None for the end.
            fill_gaps: whether to add a flat row for each window without one and a column
                ``filled``; also before the range's first candle, when an earlier one is known.
        """
        start_ms = None if start is None else moment_ms(start)
        end_ms = None if end is None else moment_ms(end)
        wanted = _range(exchange, product_ids, interval, start_ms, end_ms)
        if not fill_gaps:
            return self._source.history(wanted)
        if start_ms is not None:
            before = self._source.last_start_known_at(wanted, start_ms)
            wanted = wanted._replace(start_ms=start_ms if before is None else before)
        filled = fill_grid(self._source.history(wanted), interval, end_ms)
        if start_ms is None:
            return filled
        return filled.filter(pl.col("window_start") >= pl.lit(start_ms).cast(TIME))

    def latest(self, exchange: str, product_ids: Products, interval: str) -> pl.DataFrame:
        """Return the newest candle of each product, for inference."""
        return self._source.latest(_range(exchange, product_ids, interval))

    def as_of(
        self,
        labels: pl.DataFrame,
        exchange: str,
        interval: str,
        *,
        time: str = "time",
        columns: Sequence[str] | None = None,
        max_age: timedelta | None = None,
    ) -> pl.DataFrame:
        """Return ``labels``, in their order, each with the newest candle known at its moment.

        A candle is known from its ``window_end`` on. Labels before any candle get nulls.

        Args:
            labels: with a column ``product_id`` and the column ``time``.
            exchange: whose candles.
            interval: of the candles.
            time: the labels' column of moments: UTC datetimes, or ms since the Unix epoch.
            columns: the candle's columns to add; None for all but the keys.
            max_age: how long before the label the window may have ended; None: any time.
        """
        if "product_id" not in labels.columns:
            raise ValueError(f"labels have no column 'product_id'; they have {labels.columns}")
        moments = label_moments(labels, time).cast(pl.Int64)
        products = labels["product_id"].unique().sort().to_list()
        candles = self._known_between(_range(exchange, products, interval), moments, max_age)
        kept = candles.drop("exchange", "candle_interval")
        if columns is not None:
            kept = kept.select(*dict.fromkeys(("product_id", "window_end", *columns)))
        joined = join_as_of(labels, kept, time, max_age)
        return joined if columns is None or "window_end" in columns else joined.drop("window_end")

    def _known_between(
        self, wanted: CandleRange, moments: pl.Series, max_age: timedelta | None
    ) -> pl.DataFrame:
        """Return what may be known at any of the moments, and little more."""
        if moments.is_empty():
            return self._source.history(wanted._replace(end_ms=0))
        first, last = int(moments.min()), int(moments.max())  # type: ignore[arg-type]
        start = self._source.last_start_known_at(wanted, first)
        if max_age is not None:
            length_ms = Interval.parse(wanted.interval).us // 1_000
            oldest = first - max_age // timedelta(milliseconds=1) - length_ms
            start = oldest if start is None else max(start, oldest)
        return self._source.history(wanted._replace(start_ms=start, end_ms=last))

    def export_parquet(
        self,
        folder: Path | str,
        exchange: str,
        product_ids: Products,
        interval: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> int:
        """Write the range as Parquet under ``folder``, one folder a UTC day; return the rows.

        Spark, DuckDB and lakes read ``folder`` as one table with the partition column ``day``.
        A day that is there already is replaced.
        """
        from ohlc_features.reading.parquet import write_parquet

        candles = self.candles(exchange, product_ids, interval, start, end)
        return write_parquet(candles, Path(folder))

    def close(self) -> None:
        """Let go of the store."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _range(
    exchange: str,
    product_ids: Products,
    interval: str,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> CandleRange:
    Interval.parse(interval)
    if isinstance(product_ids, str):
        product_ids = (product_ids,)
    products = None if product_ids is None else tuple(product_ids)
    return CandleRange(exchange, products, interval, start_ms, end_ms)
