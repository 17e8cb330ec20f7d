"""The feature group and the feature view in Hopsworks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ohlc_features.errors import StoreRejectedError
from ohlc_features.schema import COLUMNS, EVENT_TIME, ONLINE_KEY, FeatureRow, Kind, by_kind
from ohlc_features.settings import FeatureStoreSettings

if TYPE_CHECKING:
    import pandas

_TYPES = {
    Kind.TEXT: "string",
    Kind.TIME: "bigint",
    Kind.DOUBLE: "double",
    Kind.COUNT: "bigint",
    Kind.FLAG: "boolean",
}

#: The Hopsworks type of each column; numbers are as wide as Python's.
FEATURE_TYPES = by_kind(_TYPES.__getitem__)

#: Hours between materialisations into the offline store, by HOPSWORKS_MATERIALIZATION.
_HOURS = {"hourly": 1, "daily": 24}


def open_group(store: Any, settings: FeatureStoreSettings) -> Any:  # noqa: ANN401 - not typed
    """Return the feature group; where it does not exist, the first insert creates it.

    The primary key holds no window and the event time is the window's end: so the online store
    keeps the newest row of each product and interval, and the offline store, whose rows are told
    apart by key and event time, all of them. ``stream`` sends rows through the ingestion topic;
    without it a client outside the cluster would write files of the offline store itself, as it
    would for an empty table if the columns were given here and not by the first insert.

    Raises:
        StoreRejectedError: a group of this name and version exists with other keys or columns.
    """
    name, version = settings.feature_group_name, settings.feature_group_version
    group = store.get_or_create_feature_group(
        name=name,
        version=version,
        description="OHLC candles of exchange trades; event time is the window's end (ms, UTC)",
        primary_key=list(ONLINE_KEY),
        event_time=EVENT_TIME,
        online_enabled=True,
        stream=True,
        statistics_config=False,
        offline_backfill_every_hr=_HOURS.get(settings.hopsworks_materialization),
    )
    if group.id is not None:
        _check(group, name, version)
    return group


def group_frame(rows: Sequence[FeatureRow]) -> "pandas.DataFrame":
    """Return rows as the client takes them, with types that do not depend on their values."""
    import pandas as pd

    types = {"string": "string", "bigint": "int64", "double": "float64", "boolean": "bool"}
    frame = pd.DataFrame.from_records(rows, columns=list(COLUMNS))
    return frame.astype({column: types[FEATURE_TYPES[column]] for column in COLUMNS})


def _check(group: Any, name: str, version: int) -> None:  # noqa: ANN401
    found = {feature.name: feature.type for feature in group.features}
    wanted = FEATURE_TYPES
    different = sorted(
        column for column in found.keys() | wanted.keys() if found.get(column) != wanted.get(column)
    )
    if set(group.primary_key) != set(ONLINE_KEY):
        different.append(f"primary key {group.primary_key}")
    if group.event_time != EVENT_TIME:
        different.append(f"event time {group.event_time}")
    if different:
        raise StoreRejectedError(
            f"feature group {name} version {version} exists with another schema "
            f"({', '.join(different)}); choose another FEATURE_GROUP_VERSION"
        )


def open_view(store: Any, group: Any, settings: FeatureStoreSettings) -> Any:  # noqa: ANN401
    """Return the feature view of all the group's columns, created where it does not exist."""
    return store.get_or_create_feature_view(
        name=settings.feature_group_name,
        version=settings.feature_group_version,
        description="every column of the candles, for training and inference",
        query=group.select_all(),
    )
