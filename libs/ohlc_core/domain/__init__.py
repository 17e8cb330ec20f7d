"""Pure rules of trades and candles: no Kafka, no clock, no network, no files."""
