"""The Hopsworks feature store: online = newest candle, offline = full history."""

import contextlib
import sys
import time
from collections.abc import Callable, Sequence

from ohlc_core.domain.candle import Candle
from ohlc_features.errors import StoreError, StoreRejectedError
from ohlc_features.hopsworks.errors import hopsworks_error
from ohlc_features.hopsworks.group import group_frame, open_group, open_view
from ohlc_features.hopsworks.session import HopsworksSession
from ohlc_features.memory import WrittenRows
from ohlc_features.schema import FeatureRow, Origin, feature_row
from ohlc_features.settings import FeatureStoreSettings


class HopsworksStore:
    """Writes batches to a feature group, with one login for the life of the process."""

    def __init__(
        self,
        settings: FeatureStoreSettings,
        *,
        origin: Origin = "live",
        write_incomplete: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Log in and open the feature group; the first write creates what does not exist.

        Raises:
            StoreUnavailableError: the backend can not be reached or is overloaded.
            StoreRejectedError: wrong key, project or schema, or the client is not installed.
        """
        if settings.feature_group_name != settings.feature_group_name.lower():
            raise StoreRejectedError(
                f"FEATURE_GROUP_NAME was {settings.feature_group_name!r}; "
                "Hopsworks allows lower case only"
            )
        self._session = HopsworksSession(settings)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                self._group = open_group(self._session.feature_store, settings)
        except Exception as error:
            self._session.close()
            raise self._meaning(error) from None
        self._settings = settings
        self._origin = origin
        self._now_ms = now_ms
        self._written = WrittenRows(write_incomplete=write_incomplete)
        self._has_view = False
        self._options = {
            "start_offline_materialization": settings.hopsworks_materialization == "each-batch",
            # Also given to a consumer of the client's own, which warns that it needs no time-out.
            "kafka_producer_config": {
                "message.timeout.ms": int(settings.hopsworks_timeout_seconds * 1_000),
                "log_level": 3,
            },
            # A replay of old windows must not move the online row back.
            "online_ingestion_options": {"upsert_if_newer": True},
        }

    def write(self, candles: Sequence[Candle]) -> int:
        """Insert ``candles`` and wait until the ingestion topic has them all.

        The backend keeps what came last. So what this process wrote is remembered, and a candle
        that must not take its place is not sent.

        Returns:
            How many incomplete candles were left out.

        Raises:
            StoreUnavailableError: some may be kept; the same call may succeed later.
            StoreRejectedError: they will not be kept.
        """
        now = self._now_ms()
        changes, incomplete = self._written.changes(
            [feature_row(candle, self._origin, now) for candle in candles]
        )
        if changes:
            self._insert(sorted(changes, key=lambda row: row.window_end))
            self._written.written(changes)
        return incomplete

    def _insert(self, rows: Sequence[FeatureRow]) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                self._group.insert(
                    group_frame(rows),
                    write_options=self._options,
                    validation_options={"run_validation": False, "fetch_expectation_suite": False},
                )
                if not self._has_view:
                    open_view(self._session.feature_store, self._group, self._settings)
                    self._has_view = True
        except Exception as error:
            raise self._meaning(error) from None

    def close(self) -> None:
        """Log out."""
        self._session.close()

    def _meaning(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        return hopsworks_error(error, self._session.host, self._session.project)
