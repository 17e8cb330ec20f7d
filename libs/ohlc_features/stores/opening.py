"""Opening the store that the settings name."""

from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.stores.store import FeatureStore


def open_store(settings: FeatureStoreSettings) -> FeatureStore:
    """Return the store FEATURE_STORE names; only its own libraries are imported.

    Raises:
        StoreUnavailableError: it can not be reached at the moment.
        StoreRejectedError: it can not be opened.
    """
    if settings.feature_store == "console":
        from ohlc_features.stores.console import open_console

        return open_console()
    if settings.feature_store == "hopsworks":
        from ohlc_features.stores.hopsworks import HopsworksStore

        return HopsworksStore(settings)
    from ohlc_features.stores.local import LocalStore

    return LocalStore.open(
        settings.feature_store_url, settings.feature_group_name, settings.feature_group_version
    )
