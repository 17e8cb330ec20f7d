"""Plain librdkafka clients and topic creation, set up the one way that keeps the contract."""
