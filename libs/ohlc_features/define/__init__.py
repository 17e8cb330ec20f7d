"""What a file of feature definitions imports: groups, candles, and indicators."""

from ohlc_features.define import ta
from ohlc_features.define.group import DefinitionError, Feature, FeatureGroup
from ohlc_features.define.values import Candles, Series, Value

__all__ = ["Candles", "DefinitionError", "Feature", "FeatureGroup", "Series", "Value", "ta"]
