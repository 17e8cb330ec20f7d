"""Test helpers, e.g. `from support.wait import wait_until`; fixtures are in tests/conftest.py.

Real broker: fixture `broker` (shared Apache Kafka; pass `broker.address` as KAFKA_BROKER_ADDRESS),
`own_broker()` for one you kill, pause or restart, `unique_run_id` / `unique_topics` for topics of
your own on the shared one, `processes(script, env)` for console scripts cleaned up after the test.
`support.kafka` produces and reads raw records; `support.market_data` finds the recordings.
"""
