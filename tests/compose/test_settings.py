"""Every setting of a service reaches its container, and no secret that it has no use for."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from dashboard.settings import DashboardSettings
from exchange_simulator.settings import SimulatorSettings
from feature_writer.settings import WriterSettings
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.service.known_settings import KNOWN_SETTINGS
from ohlc_core.service.settings import EnvSettings, documented
from support.compose import StartStack
from trade_producer.settings import ProducerSettings
from trade_replayer.settings import ReplayerSettings

_SERVICES: dict[str, type[EnvSettings]] = {
    "trade-producer": ProducerSettings,
    "ohlc-aggregator": AggregatorSettings,
    "feature-writer": WriterSettings,
    "dashboard": DashboardSettings,
    "exchange-simulator": SimulatorSettings,
    "backfill-replayer": ReplayerSettings,
    "backfill-aggregator": AggregatorSettings,
    "backfill-writer": WriterSettings,
}
#: What a container fixes, whatever ``.env`` says.
_FIXED = {
    *("METRICS_HOST", "METRICS_PORT", "STATE_DIR", "LOCAL_STACK_FOLDER"),
    *("DASHBOARD_HOST", "DASHBOARD_PORT", "SIMULATOR_HOST", "SIMULATOR_PORT"),
    # Fixed names of group members make no sense where containers are scaled.
    "KAFKA_GROUP_INSTANCE_ID",
}
#: Read by compose itself, so they need values it takes.
_OF_COMPOSE = {
    *("KAFKA_PORT", "KAFKA_PORT_1", "KAFKA_PORT_2", "DASHBOARD_PORT", "SIMULATOR_HOST_PORT"),
    *("HEALTH_INTERVAL", "COMPOSE_PROJECT_NAME", "CONSOLE_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"),
    *("IMAGE_TAG", "PYTHON_IMAGE", "REDPANDA_MEMORY_LIMIT", "HISTORY_DIR"),
}
#: Secrets besides those typed so: addresses hold passwords.
_SECRETS = {"FEATURE_STORE_URL", "REPLAY_DATABASE", "GRAFANA_ADMIN_PASSWORD"} | {
    name
    for name, field in documented(_SERVICES.values()).items()
    if isinstance(field.default, SecretStr)
}


@pytest.fixture(scope="module")
def given(new_stack: StartStack) -> dict[str, dict[str, Any]]:
    """The environment of every service, where ``.env`` sets each setting to its own name."""
    lines = {name: f"its {name}" for name in KNOWN_SETTINGS - _OF_COMPOSE}
    stack = new_stack("docker-compose.yml", "docker-compose.simulator.yml", **lines)
    services = json.loads(stack.compose("--profile", "*", "config", "--format", "json"))["services"]
    return {name: service.get("environment", {}) for name, service in services.items()}


@pytest.mark.parametrize("service", _SERVICES)
def test_every_setting_reaches_the_container(
    given: dict[str, dict[str, Any]], service: str
) -> None:
    fixed = set(_FIXED)
    if not service.startswith("backfill-"):
        fixed.add("RUN_ID")  # live has none
    if service != "exchange-simulator":
        fixed |= {"EXCHANGE_WS_URL", "EXCHANGE_REST_URL"}  # docker-compose.simulator.yml sets them
    lost = {
        name: given[service].get(name)
        for name in documented([_SERVICES[service]]).keys() - fixed
        if given[service].get(name) != f"its {name}"
    }
    assert not lost, f"docker-compose files do not pass to {service}: {lost}"


@pytest.mark.parametrize("service", [*_SERVICES, "topics"])
def test_no_secret_reaches_a_container_that_does_not_need_it(
    given: dict[str, dict[str, Any]], service: str
) -> None:
    own = documented([_SERVICES.get(service, AggregatorSettings)]).keys()
    shown = {name for name in _SECRETS - own if given[service].get(name)}
    assert not shown, f"docker-compose files pass to {service}, which does not read them: {shown}"


def test_other_peoples_images_get_no_settings(given: dict[str, dict[str, Any]]) -> None:
    for service in ("redpanda", "console", "prometheus", "grafana"):
        assert not documented(_SERVICES.values()).keys() & given[service].keys()


def test_password_in_single_quotes_keeps_its_dollar_sign(new_stack: StartStack) -> None:
    stack = new_stack("docker-compose.yml", KAFKA_SASL_PASSWORD="pa$HOME$$word")
    text = stack.compose("config", "--format", "json")
    passed = json.loads(text)["services"]["trade-producer"]["environment"]["KAFKA_SASL_PASSWORD"]
    assert passed.replace("$$", "$") == "pa$HOME$$word"  # `config` shows each $ as $$
