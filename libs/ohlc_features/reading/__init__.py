"""Reading features back: ranges, newest rows, point-in-time joins, regular grids."""

from ohlc_features.reading.reader import FeatureReader

__all__ = ["FeatureReader"]
