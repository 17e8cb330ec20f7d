"""The ohlc aggregator service."""
