"""Dashboards and alerts ask only for metrics that the services have."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

import feature_writer.metrics
import ohlc_aggregator.metrics
import trade_replayer.progress
from ohlc_core.service.health import Health
from ohlc_core.service.health_metrics import add_health
from trade_producer.metrics import Metrics

_DOCKER = Path(__file__).resolve().parents[3] / "docker"
_OURS = re.compile(r"\b((?:trade_producer|ohlc|feature_writer|replayer|service)_[a-z0-9_]+)")
_MODULES = (feature_writer.metrics, ohlc_aggregator.metrics, trade_replayer.progress)


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Every sample name the services can expose, with the suffixes of its type."""
    producer = CollectorRegistry()
    Metrics(producer)
    add_health(producer, Health(), "trade-producer")
    suffixes = {
        "counter": ("_total",),
        "gauge": ("",),
        "histogram": ("_bucket", "_sum", "_count"),
    }
    assert all(vars(module) for module in _MODULES)
    return {
        metric.name + suffix
        for registry in (producer, REGISTRY)
        for metric in registry.collect()
        for suffix in suffixes.get(metric.type, ())
    }


def _asked(expressions: Iterable[str]) -> set[str]:
    return {name for expression in expressions for name in _OURS.findall(expression)}


def test_every_metric_of_the_dashboard_is_exposed(exposed: set[str]) -> None:
    dashboard = json.loads((_DOCKER / "grafana/dashboards/pipeline.json").read_text("utf-8"))
    asked = _asked(
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    )

    assert len(asked) > 20
    assert asked <= exposed, f"not exposed by any service: {sorted(asked - exposed)}"


def test_every_metric_of_the_alerts_is_exposed(exposed: set[str]) -> None:
    asked = _asked([(_DOCKER / "prometheus/alerts.yml").read_text("utf-8")])

    assert len(asked) > 8
    assert asked <= exposed, f"not exposed by any service: {sorted(asked - exposed)}"
