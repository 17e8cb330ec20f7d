"""Reading Hopsworks: offline rows for training, online rows for inference."""

import contextlib
import sys
from typing import Any

import polars as pl

from ohlc_features.errors import StoreError, StoreRejectedError
from ohlc_features.hopsworks.errors import hopsworks_error
from ohlc_features.reading.frames import feature_frame
from ohlc_features.reading.groups import StoredFeature, StoredGroup
from ohlc_features.reading.source import CandleRange, LatestRow, Span
from ohlc_features.schema import ONLINE_KEY
from ohlc_features.settings import FeatureStoreSettings


class HopsworksSource:
    """A feature group, read by the client's own queries.

    Args:
        group: the feature group, as the client gives it.
        session: what is closed at the end, and where errors are said to come from.
    """

    def __init__(self, group: Any, session: Any, *, logs_out: bool = True) -> None:  # noqa: ANN401 - the client is not typed
        self._group = group
        self._session = session
        self._logs_out = logs_out

    @classmethod
    def open(cls, settings: FeatureStoreSettings) -> "HopsworksSource":
        """Log in and find the feature group.

        Raises:
            StoreUnavailableError: the backend cannot be reached at the moment.
            StoreRejectedError: wrong key or project, or there is no such feature group.
        """
        from ohlc_features.hopsworks.session import HopsworksSession

        session = HopsworksSession(settings)
        try:
            return cls(_find_group(settings, session), session)
        except StoreError:
            session.close()
            raise

    @classmethod
    def within(cls, session: Any, settings: FeatureStoreSettings) -> "HopsworksSource":  # noqa: ANN401
        """Find the feature group by a login that goes on when this is closed.

        Raises:
            StoreUnavailableError, StoreRejectedError: as `open`.
        """
        return cls(_find_group(settings, session), session, logs_out=False)

    def history(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the candles of the range that were materialised into the offline store."""
        condition = self._of(wanted)
        if wanted.start_ms is not None:
            condition = condition & (self._group["window_start"] >= wanted.start_ms)
        if wanted.end_ms is not None:
            condition = condition & (self._group["window_start"] < wanted.end_ms)
        return feature_frame(self._read(self._group.select_all(), condition, online=False))

    def latest(self, wanted: CandleRange) -> pl.DataFrame:
        """Return the online rows of the range's products."""
        wanted = wanted._replace(include_incomplete=False)
        return feature_frame(self._read(self._group.select_all(), self._of(wanted), online=True))

    def versions(self, wanted: CandleRange) -> pl.DataFrame:
        """Refuse: Hopsworks keeps no rows that were replaced.

        Raises:
            StoreRejectedError: always.
        """
        raise StoreRejectedError(
            "served=True needs the rows that were replaced, which Hopsworks does not keep; "
            "use as_of with delay"
        )

    def keys(self) -> pl.DataFrame:
        """Return what has an online row."""
        condition = self._group["window_start"] >= 0
        query = self._group.select(list(ONLINE_KEY))
        return (
            self._read(query, condition, online=True).select(ONLINE_KEY).unique().sort(ONLINE_KEY)
        )

    def last_start_known_at(self, wanted: CandleRange, moment_ms: int) -> int | None:
        """Return the earliest of the products' last windows that had ended by ``moment_ms``."""
        query = self._group.select(["product_id", "window_start"])
        condition = self._of(wanted) & (self._group["window_end"] <= moment_ms)
        known = self._read(query, condition, online=False)
        if known.is_empty():
            return None
        last = known.group_by("product_id").agg(pl.col("window_start").max())
        return int(last["window_start"].min())  # type: ignore[arg-type]

    def span(self, exchange: str, product_id: str, interval: str | None = None) -> Span | None:
        """Refuse: it would read the whole history.

        Raises:
            StoreRejectedError: always.
        """
        raise StoreRejectedError(
            f"what Hopsworks holds of {exchange}:{product_id} is not looked up, because that would "
            "read all of it; set FROM_DAY and TO_DAY"
        )

    def definitions(self) -> list[StoredFeature]:
        """Return none: which feature groups there are, Hopsworks itself shows."""
        return []

    def feature_rows(self, group: StoredGroup, wanted: CandleRange) -> pl.DataFrame:
        """Refuse: no group was found by `definitions`."""
        raise StoreRejectedError(f"{group.table} is read with Hopsworks' own client")

    def latest_feature_row(self, group: StoredGroup, wanted: CandleRange) -> LatestRow | None:
        """Refuse: no group was found by `definitions`."""
        raise StoreRejectedError(f"{group.table} is read with Hopsworks' own client")

    def close(self) -> None:
        """Log out, unless the login is another's."""
        if self._logs_out:
            self._session.close()

    def _of(self, wanted: CandleRange) -> Any:  # noqa: ANN401
        condition = (self._group["exchange"] == wanted.exchange) & (
            self._group["candle_interval"] == wanted.interval
        )
        if not wanted.include_incomplete:
            condition = condition & (self._group["complete"] == True)  # noqa: E712 - a filter
        if wanted.product_ids is None:
            return condition
        return condition & self._group["product_id"].isin(list(wanted.product_ids))

    def _read(self, query: Any, condition: Any, *, online: bool) -> pl.DataFrame:  # noqa: ANN401
        try:
            with contextlib.redirect_stdout(sys.stderr):
                frame = query.filter(condition).read(online=online, dataframe_type="pandas")
        except Exception as error:
            if isinstance(error, StoreError):
                raise
            raise hopsworks_error(error, self._session.host, self._session.project) from None
        read = pl.from_pandas(frame)
        assert isinstance(read, pl.DataFrame)
        return read


def _find_group(settings: FeatureStoreSettings, session: Any) -> Any:  # noqa: ANN401
    name, version = settings.feature_group_name, settings.feature_group_version
    try:
        with contextlib.redirect_stdout(sys.stderr):
            group = session.feature_store.get_feature_group(name, version)
    except Exception as error:
        raise hopsworks_error(error, session.host, session.project) from None
    if group is None:
        raise StoreRejectedError(
            f"Hopsworks project {session.project!r} has no feature group {name} version "
            f"{version}; run the feature writer first"
        )
    return group
