"""The feature group and the feature view in Hopsworks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ohlc_features.base import GroupRow
from ohlc_features.define.group import FeatureGroup
from ohlc_features.errors import StoreRejectedError
from ohlc_features.schema import COLUMNS, EVENT_TIME, ONLINE_KEY, FeatureRow, Kind, by_kind
from ohlc_features.settings import FeatureStoreSettings

if TYPE_CHECKING:
    import pandas
    import polars

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
    keeps the newest row of each product and interval, and the offline store, whose rows are kept
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
        _check(group, name, version, FEATURE_TYPES)
    return group


def group_frame(rows: Sequence[FeatureRow]) -> "pandas.DataFrame":
    """Return rows as the client takes them, with types that do not depend on their values."""
    import pandas as pd

    types = {"string": "string", "bigint": "int64", "double": "float64", "boolean": "bool"}
    frame = pd.DataFrame.from_records(rows, columns=list(COLUMNS))
    return frame.astype({column: types[FEATURE_TYPES[column]] for column in COLUMNS})


def open_feature_group(store: Any, group: FeatureGroup, settings: FeatureStoreSettings) -> Any:  # noqa: ANN401
    """Return the feature group of some definitions; keys and event time as the candles'.

    Raises:
        StoreRejectedError: a group of this name and version exists with other keys or columns.
    """
    opened = store.get_or_create_feature_group(
        name=group.name,
        version=group.version,
        description=f"features of stored candles ({', '.join(group.intervals)}); "
        "event time is the window's end (ms, UTC)",
        primary_key=list(ONLINE_KEY),
        event_time=EVENT_TIME,
        online_enabled=True,
        stream=True,
        statistics_config=False,
        offline_backfill_every_hr=_HOURS.get(settings.hopsworks_materialization),
    )
    if opened.id is not None:
        _check(opened, group.name, group.version, row_types(group))
    return opened


def row_types(group: FeatureGroup) -> dict[str, str]:
    """Return the Hopsworks type of each column of a group's rows."""
    leading = {name: FEATURE_TYPES[name] for name in (*ONLINE_KEY, "window_start", "window_end")}
    return {**leading, **dict.fromkeys(group.features, "double"), "complete": "boolean"}


def rows_frame(group: FeatureGroup, rows: Sequence[GroupRow]) -> "polars.DataFrame":
    """Return rows of a group as the client takes them.

    Polars': of pandas' frames the client sends null as NaN, which MySQL's doubles do not take.
    """
    import polars as pl

    kinds = {
        "string": pl.String(),
        "bigint": pl.Int64(),
        "double": pl.Float64(),
        "boolean": pl.Boolean(),
    }
    schema = {column: kinds[kind] for column, kind in row_types(group).items()}
    flat = [(*row[:5], *row.values, row.complete) for row in rows]
    return pl.DataFrame(flat, schema=schema, orient="row")


def describe_features(opened: Any, group: FeatureGroup) -> None:  # noqa: ANN401
    """Give each feature its description and unit, where the backend has another one."""
    known = {feature.name: feature.description for feature in opened.features}
    for name, feature in group.features.items():
        unit = f" [{feature.unit}]" if feature.unit else ""
        inputs = " ".join(each.text() for each in feature.inputs)
        text = f"{feature.about}{unit}; of {inputs}"
        if known.get(name) != text:
            opened.update_feature_description(name, text)


def _check(group: Any, name: str, version: int, wanted: dict[str, str]) -> None:  # noqa: ANN401
    found = {feature.name: feature.type for feature in group.features}
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
            f"({', '.join(different)}); choose another version (FEATURE_GROUP_VERSION, or that "
            "of the group in FEATURE_DEFINITIONS)"
        )


def open_view(store: Any, group: Any) -> Any:  # noqa: ANN401
    """Return the feature view of all the group's columns, created where it does not exist."""
    return store.get_or_create_feature_view(
        name=group.name,
        version=group.version,
        description="every column of the group, for training and inference",
        query=group.select_all(),
    )
