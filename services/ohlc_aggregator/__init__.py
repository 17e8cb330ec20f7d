"""The OHLC aggregator: trades in, candles out, the same code live and in a backfill."""
