"""Opening the store that the settings name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loguru import logger

from ohlc_core.plugins import STORES, is_plugin, load_plugin
from ohlc_features.base import FeatureStore, StorePlugin
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.define.observer import Observer
from ohlc_features.errors import StoreRejectedError
from ohlc_features.schema import Origin
from ohlc_features.settings import FeatureStoreSettings

if TYPE_CHECKING:
    from ohlc_features.reading.source import CandleSource


_NEEDS_REDIS = "needs its client: pip install 'ohlc-pipeline[redis]'"


def open_store(
    settings: FeatureStoreSettings,
    *,
    origin: Origin = "live",
    write_incomplete: bool = False,
    definitions: Sequence[DefinedGroup] = (),
    observer: Observer | None = None,
) -> FeatureStore:
    """Return the store FEATURE_STORE names; only its own libraries are imported.

    Args:
        settings: which store.
        origin: what writes: ``live`` or ``backfill``.
        write_incomplete: whether incomplete candles are stored for windows that are not held.
        definitions: feature groups whose rows are kept in step with the candles.
        observer: hears of their evaluation.

    Raises:
        StoreUnavailableError: it cannot be reached at the moment.
        StoreRejectedError: it cannot be opened.
        DefinitionError: the stored rows of a feature group are of other code.
    """

    def opened(heard: Observer | None) -> FeatureStore:
        return _open(
            settings,
            origin=origin,
            write_incomplete=write_incomplete,
            definitions=definitions,
            observer=heard,
        )

    if not settings.online_store_url:
        return opened(observer)
    try:
        from ohlc_features.online.newest import NewestRows
        from ohlc_features.online.store import OnlineStore
    except ImportError:
        raise StoreRejectedError(f"ONLINE_STORE_URL is set, which {_NEEDS_REDIS}") from None
    newest = NewestRows(settings.online_store_url)
    return OnlineStore(opened, newest, group=_group(settings), origin=origin, observer=observer)


def _open(
    settings: FeatureStoreSettings,
    *,
    origin: Origin,
    write_incomplete: bool,
    definitions: Sequence[DefinedGroup],
    observer: Observer | None,
) -> FeatureStore:
    if settings.feature_store == "console":
        from ohlc_features.console.store import open_console, open_console_with_groups

        if definitions:
            return open_console_with_groups(
                definitions, write_incomplete=write_incomplete, observer=observer
            )
        return open_console(write_incomplete=write_incomplete)
    if settings.feature_store == "hopsworks":
        from ohlc_features.hopsworks.store import HopsworksStore, open_hopsworks_with_groups

        if definitions:
            return open_hopsworks_with_groups(
                settings,
                definitions,
                origin=origin,
                write_incomplete=write_incomplete,
                observer=observer,
            )
        return HopsworksStore(settings, origin=origin, write_incomplete=write_incomplete)
    if is_plugin(STORES, settings.feature_store):
        return _plugin(settings).open_store(
            settings,
            origin=origin,
            write_incomplete=write_incomplete,
            definitions=definitions,
            observer=observer,
        )
    from ohlc_features.sql.store import LocalStore

    return LocalStore.open(
        settings.feature_store_url,
        settings.feature_group_name,
        settings.feature_group_version,
        origin=origin,
        write_incomplete=write_incomplete,
        definitions=definitions,
        observer=observer,
    )


def open_reading(settings: FeatureStoreSettings) -> "CandleSource":
    """Return the store FEATURE_STORE names, for reading.

    Raises:
        StoreUnavailableError: it cannot be reached at the moment.
        StoreRejectedError: it cannot be opened, or keeps nothing that could be read.
    """
    if not settings.online_store_url:
        return _open_reading(settings)
    try:
        from ohlc_features.online.newest import NewestRows
        from ohlc_features.online.source import OnlineSource
    except ImportError:
        logger.warning("the feature store is read and not Redis, which {}", _NEEDS_REDIS)
        return _open_reading(settings)
    newest = NewestRows(settings.online_store_url)
    return OnlineSource(_open_reading(settings), newest, _group(settings))


def _open_reading(settings: FeatureStoreSettings) -> "CandleSource":
    if settings.feature_store == "console":
        raise StoreRejectedError(
            "FEATURE_STORE was 'console', which keeps nothing that could be read; "
            "set local or hopsworks"
        )
    if settings.feature_store == "hopsworks":
        from ohlc_features.hopsworks.reader import HopsworksSource

        return HopsworksSource.open(settings)
    if is_plugin(STORES, settings.feature_store):
        return _plugin(settings).open_reading(settings)
    from ohlc_features.sql.reader import LocalSource

    return LocalSource(
        settings.feature_store_url, settings.feature_group_name, settings.feature_group_version
    )


def _plugin(settings: FeatureStoreSettings) -> StorePlugin:
    plugin: StorePlugin = load_plugin(STORES, settings.feature_store)
    return plugin


def _group(settings: FeatureStoreSettings) -> str:
    return f"{settings.feature_group_name}_{settings.feature_group_version}"
