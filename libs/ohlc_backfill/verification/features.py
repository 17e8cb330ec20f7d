"""The part of a verification that is about feature groups."""

import sys

from ohlc_core.errors import SettingsError
from ohlc_features.define.group import DefinitionError
from ohlc_features.define.loading import load_definitions
from ohlc_features.row_check import check_rows
from ohlc_features.settings import FeatureStoreSettings


def verify_features(settings: FeatureStoreSettings) -> int:
    """Compute every feature row again from the stored candles; print what was found.

    Returns:
        How many rows differ; 0 where FEATURE_DEFINITIONS is empty.

    Raises:
        SettingsError: FEATURE_DEFINITIONS cannot be used.
    """
    if not settings.feature_definitions or settings.feature_store != "local":
        return 0
    try:
        groups = load_definitions(settings.feature_definitions)
    except DefinitionError as error:
        raise SettingsError(f"FEATURE_DEFINITIONS: {error}") from None
    check = check_rows(settings, groups)
    names = ", ".join(each.group.table for each in groups)
    sys.stdout.write(
        f"{check.rows:,} feature rows of {names} computed again: {check.differences:,} differ\n"
    )
    for each in check.shown:
        sys.stdout.write(
            f"  {each.group} {each.exchange}:{each.product_id} {each.interval} at "
            f"{each.window_end_ms} {each.what}\n"
        )
    sys.stdout.flush()
    return check.differences
