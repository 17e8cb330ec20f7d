"""Feature rows: where they are kept and how models read them.

from ohlc_features.reading import FeatureReader
"""
