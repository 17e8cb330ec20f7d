"""Health and version as metrics, so that alerts see what ``/health`` says."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from ohlc_core.service.health import Health
from ohlc_core.version import __version__


class HealthCollector(Collector):
    """Reads the parts' health whenever it is scraped.

    Args:
        health: the service's parts.
        service: its name.
    """

    def __init__(self, health: Health, service: str) -> None:
        self._health = health
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics of this moment."""
        _, parts = self._health.report()
        healthy = GaugeMetricFamily(
            "service_part_healthy", "1: the part makes progress", labels=["part"]
        )
        silent = GaugeMetricFamily(
            "service_part_silent_seconds", "Seconds since the part's last progress", labels=["part"]
        )
        for name, part in parts.items():
            healthy.add_metric([name], float(part["healthy"]))
            silent.add_metric([name], float(part["silent_seconds"]))
        info = GaugeMetricFamily(
            "service_info", "1; the labels say what runs", labels=["service", "version"]
        )
        info.add_metric([self._service, __version__], 1.0)
        yield healthy
        yield silent
        yield info


def add_health(registry: CollectorRegistry, health: Health, service: str) -> None:
    """Add the service's health to what the registry exposes."""
    registry.register(HealthCollector(health, service))
