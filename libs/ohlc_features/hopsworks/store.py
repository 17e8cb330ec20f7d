"""The Hopsworks feature store: online = newest candle, offline = full history."""

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohlc_core.domain.candle import Candle
from ohlc_features.base import FeatureStore, GroupRow
from ohlc_features.define.group import FeatureGroup
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.errors import StoreError, StoreRejectedError
from ohlc_features.hopsworks.errors import hopsworks_error
from ohlc_features.hopsworks.group import (
    describe_features,
    group_frame,
    open_feature_group,
    open_group,
    open_view,
    rows_frame,
)
from ohlc_features.hopsworks.session import HopsworksSession
from ohlc_features.memory import WrittenRows
from ohlc_features.schema import FeatureRow, Origin, feature_row
from ohlc_features.settings import FeatureStoreSettings

if TYPE_CHECKING:
    from ohlc_features.hopsworks.reader import HopsworksSource


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
            StoreUnavailableError: the backend cannot be reached or is overloaded.
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
        self._groups: dict[str, Any] = {}
        self._views: set[tuple[str, int]] = set()
        self._described: set[str] = set()
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

    def write_rows(self, group: FeatureGroup, rows: Sequence[GroupRow]) -> None:
        """Insert rows of a feature group, which the first ones create.

        Raises:
            StoreUnavailableError: some may be kept; the same call may succeed later.
            StoreRejectedError: they will not be kept.
        """
        try:
            with contextlib.redirect_stdout(sys.stderr):
                if group.table not in self._groups:
                    self._groups[group.table] = open_feature_group(
                        self._session.feature_store, group, self._settings
                    )
                opened = self._groups[group.table]
                self._send(opened, rows_frame(group, rows))
                if group.table not in self._described:
                    describe_features(opened, group)
                    self._described.add(group.table)
        except Exception as error:
            raise self._meaning(error) from None

    def _insert(self, rows: Sequence[FeatureRow]) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                self._send(self._group, group_frame(rows))
        except Exception as error:
            raise self._meaning(error) from None

    def _send(self, group: Any, frame: Any) -> None:  # noqa: ANN401 - not typed
        group.insert(
            frame,
            write_options=self._options,
            validation_options={"run_validation": False, "fetch_expectation_suite": False},
        )
        if (group.name, group.version) not in self._views:
            open_view(self._session.feature_store, group)
            self._views.add((group.name, group.version))

    def source(self) -> "HopsworksSource":
        """Return what reads the candles' history within this login.

        Raises:
            StoreUnavailableError: the backend cannot be reached at the moment.
            StoreRejectedError: there is no such feature group yet.
        """
        from ohlc_features.hopsworks.reader import HopsworksSource

        return HopsworksSource.within(self._session, self._settings)

    def close(self) -> None:
        """Log out."""
        self._session.close()

    def _meaning(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        return hopsworks_error(error, self._session.host, self._session.project)


def open_hopsworks_with_groups(
    settings: FeatureStoreSettings,
    definitions: Sequence[DefinedGroup],
    *,
    origin: Origin = "live",
    write_incomplete: bool = False,
    observer: Observer | None = None,
) -> FeatureStore:
    """Return the store with rows of feature groups, whose windows HOPSWORKS_WORKING_FILE holds.

    Raises:
        StoreUnavailableError, StoreRejectedError: as `HopsworksStore`, or the file's.
        DefinitionError: the file's rows are of other code.
    """
    from ohlc_features.working_file import WorkingFile
    from ohlc_features.working_store import WorkingStore

    store = HopsworksStore(settings, origin=origin, write_incomplete=write_incomplete)
    file = WorkingFile(Path(settings.hopsworks_working_file), definitions, store.source)
    try:
        return WorkingStore(
            store,
            file.url,
            definitions,
            origin=origin,
            write_incomplete=write_incomplete,
            observer=observer,
            file=file,
        )
    except BaseException:
        store.close()
        raise
