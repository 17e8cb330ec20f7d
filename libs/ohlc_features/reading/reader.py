"""The reader that training and serving code share."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Union

import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_core.service.settings import load
from ohlc_features.factory import open_reading
from ohlc_features.reading.as_of import KNOWN_AT, join_as_of, label_moments
from ohlc_features.reading.frames import TIME
from ohlc_features.reading.grid import fill_grid
from ohlc_features.reading.group_reader import GroupReading
from ohlc_features.reading.groups import find_group
from ohlc_features.reading.served import newest_over_time
from ohlc_features.reading.source import CandleRange, CandleSource
from ohlc_features.reading.times import Moment, moment_ms, span_ms
from ohlc_features.settings import FeatureStoreSettings, ReadingSettings

if TYPE_CHECKING:
    import pandas as pd

Products = str | Sequence[str] | None
Labels = Union[pl.DataFrame, "pd.DataFrame"]

#: From the end of the grace period to the row in the store, with a margin: docs/feature-store.md
#: has the measured times.
DELIVERY_MS = 1_000


class FeatureReader(GroupReading):
    """Reads candles as features; the same calls for every store.

    Frames are polars'; ``.to_pandas()`` makes them pandas'. Their columns and types are
    `ohlc_features.reading.frames.SCHEMA`. Rows that may miss trades (``complete`` false) are left
    out unless asked for. Every call raises StoreUnavailableError or StoreRejectedError when the
    store cannot answer, and ValueError for a wrong argument.

    Args:
        source: the store.
        delay_ms: after a window's end, until its candle counts as known in `as_of`.
    """

    def __init__(self, source: CandleSource, delay_ms: int | None = None) -> None:
        self._source = source
        self._range = candle_range
        self._delay_ms = default_delay_ms() if delay_ms is None else delay_ms

    @classmethod
    def open(cls, store: FeatureStoreSettings | str | None = None) -> "FeatureReader":
        """Open the store of some settings, of a FEATURE_STORE_URL, or of the environment (None).

        Raises:
            SettingsError: the settings are wrong.
            StoreRejectedError: the store cannot be opened, or nothing can be read from it.
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
        include_incomplete: bool = False,
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
            include_incomplete: whether to return rows that may miss trades, too.
        """
        wanted = candle_range(exchange, product_ids, interval, start, end)
        wanted = wanted._replace(include_incomplete=include_incomplete)
        if not fill_gaps:
            return self._source.history(wanted)
        start_ms = wanted.start_ms
        if start_ms is not None:
            before = self._source.last_start_known_at(wanted, start_ms)
            wanted = wanted._replace(start_ms=start_ms if before is None else before)
        filled = fill_grid(self._source.history(wanted), interval, wanted.end_ms)
        if start_ms is None:
            return filled
        return filled.filter(pl.col("window_start") >= pl.lit(start_ms).cast(TIME))

    def latest(self, exchange: str, product_ids: Products, interval: str) -> pl.DataFrame:
        """Return the newest complete candle of each product, for inference."""
        return self._source.latest(candle_range(exchange, product_ids, interval))

    def as_of(
        self,
        labels: Labels,
        exchange: str,
        interval: str,
        *,
        time: str = "time",
        columns: str | Sequence[str] | None = None,
        max_age: timedelta | None = None,
        delay: timedelta | int | None = None,
        served: bool = False,
        group: str | None = None,
    ) -> pl.DataFrame:
        """Return ``labels``, in their order, each with the newest candle known at its moment.

        A candle is known from its ``window_end`` plus ``delay`` on. Labels before any candle get
        nulls.

        Args:
            labels: polars' or pandas', with a column ``product_id`` and the column ``time``.
            exchange: whose candles.
            interval: of the candles.
            time: the labels' column of moments: datetimes with a time zone, or whole ms since the
                Unix epoch.
            columns: the candle's columns to add; None for all but the keys.
            max_age: how long before the label the window may have ended; None: any time.
            delay: how long after its window's end a candle could be read (whole numbers: ms).
                None: GRACE_MS plus one second. 0 shows candles before a live model could have
                read them.
            served: whether to join exactly what `latest` returned at each moment, by the times at
                which rows were stored and replaced: what a model was served, late or corrected
                rows included. A backfilled row was served from the backfill on. Without ``delay``.
            group: the feature group whose complete rows are joined instead of candles.

        Raises:
            ValueError: the labels cannot be used, or ``delay`` is given together with ``served``.
            StoreRejectedError: there is no such group.
        """
        if served and group is not None:
            raise ValueError("served=True is for candles: the times of feature rows are not kept")
        if served and delay is not None:
            raise ValueError("served=True knows when each row could be read; leave delay out")
        frame = _polars(labels)
        if "product_id" not in frame.columns:
            raise ValueError(f"labels have no column 'product_id'; they have {frame.columns}")
        moments = label_moments(frame, time).cast(pl.Int64)
        products = frame["product_id"].unique().sort().to_list()
        wanted = candle_range(exchange, products, interval)
        if served:
            known = newest_over_time(self._source.versions(wanted))
        else:
            delay_ms = self._delay_ms if delay is None else span_ms(delay, "delay")
            known = self._known_between(wanted, moments - delay_ms, max_age, group).with_columns(
                (pl.col("window_end") + pl.duration(milliseconds=delay_ms)).alias(KNOWN_AT)
            )
        kept = known.drop("exchange", "candle_interval")
        if isinstance(columns, str):
            columns = (columns,)
        if columns is not None:
            kept = kept.select(*dict.fromkeys(("product_id", "window_end", KNOWN_AT, *columns)))
        joined = join_as_of(frame, kept, time, max_age)
        return joined if columns is None or "window_end" in columns else joined.drop("window_end")

    def _known_between(
        self,
        wanted: CandleRange,
        moments: pl.Series,
        max_age: timedelta | None,
        group: str | None,
    ) -> pl.DataFrame:
        """Return what had ended at any of the moments, and little more."""
        if group is not None:
            found = find_group(self._source.definitions(), group)
            last = moments.max()
            end_ms = 0 if last is None else int(last)  # type: ignore[arg-type]
            return self._source.feature_rows(found, wanted._replace(end_ms=end_ms))
        if moments.is_empty():
            return self._source.history(wanted._replace(end_ms=0))
        first, last = int(moments.min()), int(moments.max())  # type: ignore[arg-type]
        start = self._source.last_start_known_at(wanted, first)
        if max_age is not None:
            length_ms = Interval.parse(wanted.interval).us // 1_000
            oldest = first - span_ms(max_age, "max_age") - length_ms
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
        What the lake holds of the range becomes what the store holds; other rows of the lake stay.
        """
        from ohlc_features.reading.parquet import write_parquet

        wanted = candle_range(exchange, product_ids, interval, start, end)
        return write_parquet(self._source.history(wanted), Path(folder), wanted)

    def keys(self) -> pl.DataFrame:
        """Return what there is: ``exchange``, ``product_id`` and ``candle_interval``."""
        return self._source.keys()

    def close(self) -> None:
        """Close the store's connections."""
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


def default_delay_ms() -> int:
    """Return how long after a window's end its candle can be read from the store, at the latest.

    Raises:
        SettingsError: GRACE_MS is wrong.
    """
    return load(ReadingSettings).grace_ms + DELIVERY_MS


def _polars(labels: Labels) -> pl.DataFrame:
    """Return the labels as a polars frame.

    Raises:
        ValueError: they are neither polars' nor pandas'.
    """
    if isinstance(labels, pl.DataFrame):
        return labels
    if type(labels).__module__.partition(".")[0] != "pandas":
        raise ValueError(
            f"labels were a {type(labels).__name__}; expected a polars or pandas frame"
        )
    frame = pl.from_pandas(labels)
    assert isinstance(frame, pl.DataFrame)
    return frame


def candle_range(
    exchange: str,
    product_ids: Products,
    interval: str,
    start: Moment | None = None,
    end: Moment | None = None,
) -> CandleRange:
    """Return what the arguments of `FeatureReader.candles` mean.

    Raises:
        ValueError: one of them is wrong.
    """
    Interval.parse(interval)
    if isinstance(product_ids, str):
        product_ids = (product_ids,)
    return CandleRange(
        exchange,
        None if product_ids is None else tuple(product_ids),
        interval,
        None if start is None else moment_ms(start, "start"),
        None if end is None else moment_ms(end, "end"),
    )
