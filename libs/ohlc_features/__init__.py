"""Feature rows: where they are kept and how models read them.

from ohlc_features import FeatureReader
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ohlc_features.reading import FeatureReader

__all__ = ["FeatureReader"]


def __getattr__(name: str) -> object:
    # Imported when it is asked for: the writer has no need of polars, nor its image.
    if name == "FeatureReader":
        from ohlc_features.reading import FeatureReader

        return FeatureReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
