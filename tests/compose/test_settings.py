"""Every setting of a service reaches its container."""

import json

import pytest

from dashboard.settings import DashboardSettings
from exchange_simulator.settings import SimulatorSettings
from feature_writer.settings import WriterSettings
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.service.settings import EnvSettings, documented
from support.compose import StartStack
from trade_producer.settings import ProducerSettings
from trade_replayer.settings import ReplayerSettings

#: Fixed names of group members make no sense where containers are scaled, and live has no RUN_ID.
_LEFT_OUT = {"KAFKA_GROUP_INSTANCE_ID", "RUN_ID"}


@pytest.mark.parametrize(
    ("service", "settings"),
    [
        ("trade-producer", ProducerSettings),
        ("ohlc-aggregator", AggregatorSettings),
        ("feature-writer", WriterSettings),
        ("dashboard", DashboardSettings),
        ("exchange-simulator", SimulatorSettings),
        ("backfill-replayer", ReplayerSettings),
        ("backfill-aggregator", AggregatorSettings),
        ("backfill-writer", WriterSettings),
    ],
)
def test_every_setting_can_be_given_to_the_container(
    new_stack: StartStack, service: str, settings: type[EnvSettings]
) -> None:
    stack = new_stack("docker-compose.yml", "docker-compose.simulator.yml")
    text = stack.compose("--profile", "*", "config", "--format", "json")
    given = set(json.loads(text)["services"][service]["environment"])

    missing = set(documented([settings])) - given - _LEFT_OUT - {"METRICS_HOST", "METRICS_PORT"}
    assert not missing, f"docker-compose files do not pass {sorted(missing)} to {service}"
