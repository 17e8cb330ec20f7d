"""Opening the store that the settings name."""

from ohlc_features.base import FeatureStore
from ohlc_features.settings import FeatureStoreSettings


def open_store(settings: FeatureStoreSettings) -> FeatureStore:
    """Return the store FEATURE_STORE names; only its own libraries are imported.

    Raises:
        StoreUnavailableError: it can not be reached at the moment.
        StoreRejectedError: it can not be opened.
    """
    if settings.feature_store == "console":
        from ohlc_features.console.store import open_console

        return open_console()
    if settings.feature_store == "hopsworks":
        from ohlc_features.hopsworks.store import HopsworksStore

        return HopsworksStore(settings)
    from ohlc_features.sql.store import LocalStore

    return LocalStore.open(
        settings.feature_store_url, settings.feature_group_name, settings.feature_group_version
    )
