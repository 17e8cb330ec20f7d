"""The delay from an event to its acknowledgement, sampled and free of a wrong local clock."""

from prometheus_client import CollectorRegistry

from trade_producer.append_delay import AppendDelay
from trade_producer.metrics import Metrics


def test_delay_is_measured_by_the_exchanges_clock_at_ten_samples_a_second_at_most() -> None:
    registry = CollectorRegistry()
    seconds = 0.0
    delay = AppendDelay(Metrics(registry).append_delay, lambda: seconds, lambda: int(seconds * 1e6))
    delay.clock_offset_us = 5_000_000
    probe = delay.probe(4_800_000)
    assert probe is not None
    assert delay.probe(4_900_000) is None
    seconds = 0.05
    probe()
    assert registry.get_sample_value("trade_producer_append_delay_seconds_count") == 1
    total = registry.get_sample_value("trade_producer_append_delay_seconds_sum")
    assert total is not None
    assert abs(total - 0.25) < 1e-9


def test_counters_of_known_products_begin_at_0() -> None:
    registry = CollectorRegistry()
    Metrics(registry).show_known_labels(["BTC/USD"])
    name = "trade_producer_gaps_unresolved_total"
    assert registry.get_sample_value(name, {"product": "BTC/USD"}) == 0
