"""Feature groups as a store has them: their names, their features, the shape of their rows."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from ohlc_features.errors import StoreRejectedError
from ohlc_features.reading.frames import TIME

#: What bulk readers get in place of null: a feature is never infinite.
STAND_IN = float("inf")
LEADING = ("exchange", "product_id", "candle_interval", "window_start", "window_end")


class StoredFeature(NamedTuple):
    """A line of ``feature_definitions``."""

    feature_group: str
    version: int
    feature: str
    inputs: str
    unit: str
    description: str
    intervals: str
    code_hash: str
    source: str


class StoredGroup(NamedTuple):
    """A group and version.

    Attributes:
        name, version: of the group.
        features: in the order of their names.
    """

    name: str
    version: int
    features: tuple[StoredFeature, ...]

    @property
    def table(self) -> str:
        """The name of the table with its history."""
        return f"{self.name}_{self.version}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row, in the order of frames."""
        return (*LEADING, *(each.feature for each in self.features), "complete")


def stored_groups(definitions: Sequence[StoredFeature]) -> list[StoredGroup]:
    """Return the groups, by name and version."""
    by_group: dict[tuple[str, int], list[StoredFeature]] = {}
    for each in definitions:
        by_group.setdefault((each.feature_group, each.version), []).append(each)
    return [StoredGroup(*key, tuple(by_group[key])) for key in sorted(by_group)]


def find_group(definitions: Sequence[StoredFeature], name: str) -> StoredGroup:
    """Return the group that ``name`` means: ``momentum`` its newest version, ``momentum_1`` one.

    Raises:
        StoreRejectedError: the store has no such group; the text says which it has.
    """
    groups = stored_groups(definitions)
    for group in reversed(groups):
        if name in (group.table, group.name):
            return group
    there = ", ".join(group.table for group in groups) or "none"
    raise StoreRejectedError(
        f"the feature store has no feature group {name!r}; it has {there}. FEATURE_DEFINITIONS "
        "names the file that defines groups"
    )


def group_frame(raw: pl.DataFrame, group: StoredGroup) -> pl.DataFrame:
    """Return rows of a group's table with the types of frames, in the order of their keys."""
    features = [each.feature for each in group.features]
    numbers = [pl.col(name).cast(pl.Float64) for name in features]
    return (
        raw.lazy()
        .select(group.columns)
        .with_columns(pl.col("window_start", "window_end").cast(pl.Int64).cast(TIME))
        .with_columns(pl.col("exchange", "product_id", "candle_interval").cast(pl.String))
        .with_columns(pl.col("complete").cast(pl.Boolean))
        .with_columns(numbers)
        .with_columns(
            pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in features
        )
        .sort("exchange", "product_id", "candle_interval", "window_start")
        .collect()
    )
