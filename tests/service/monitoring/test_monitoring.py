"""A live pipeline as its monitoring sees it: a quiet market is healthy, a frozen producer is not.

A real Prometheus scrapes the services meanwhile; the dashboard's queries are put to it.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_stack.ports import free_port
from local_stack.processes import ManagedProcess
from support.kafka import OwnBroker
from support.processes import Processes, Script
from support.simulator import Simulator, start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.service

_DOCKER = Path(__file__).resolve().parents[3] / "docker"
_SERVICES = ("trade-producer", "ohlc-aggregator", "feature-writer")
_PROMETHEUS = shutil.which("prometheus")
#: Longer than any silence that is allowed of live data.
_QUIET_SECONDS = 14.0
#: Of services that do not run here: a backfill's, and a Redpanda's own.
_NOT_RUNNING = re.compile(r"replayer_|redpanda|vectorized")
#: What only a failure counts under a label that is not known before.
_ONLY_AFTER_FAILURES = ("feature_writer_retries_total",)


class Live:
    """Producer, aggregator and writer on a broker of their own, by the addresses of their pages."""

    def __init__(self, services: dict[str, Script]) -> None:
        self.services = services
        self.addresses = {
            name: script.wait_for_log("metrics and health at ").split(" at ")[-1].strip()
            for name, script in services.items()
        }

    def health(self, service: str) -> int:
        return httpx.get(f"{self.addresses[service]}health", trust_env=False).status_code

    def status(self, service: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.addresses[service]}status", trust_env=False)
        status: dict[str, Any] = answer.json()
        return status

    def metric(self, service: str, name: str) -> str:
        text = httpx.get(f"{self.addresses[service]}metrics", trust_env=False).text
        return next((line for line in text.splitlines() if line.startswith(name)), "")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with start_simulator(
        product_ids=("BTC/USD",), simulator_rate=5, simulator_history="1m"
    ) as simulator:
        yield simulator


@pytest.fixture
def start_live(
    own_broker: OwnBroker, processes: Processes, tmp_path: Path, simulator: Simulator
) -> Callable[[str], Live]:
    """Start the services with these OHLC_INTERVALS."""
    env = {
        "KAFKA_BROKER_ADDRESS": own_broker().address,
        "EXCHANGE_WS_URL": simulator.ws_url,
        "EXCHANGE_REST_URL": simulator.rest_url,
        "PRODUCT_IDS": "BTC/USD",
        "COMMIT_INTERVAL_SECONDS": "0.5",
        "FEATURE_STORE_URL": f"sqlite:///{tmp_path}/features.db",
        "STATE_DIR": str(tmp_path / "state"),
        "METRICS_PORT": "0",
    }
    return lambda intervals: Live(
        {name: processes(name, env | {"OHLC_INTERVALS": intervals}) for name in _SERVICES}
    )


def test_frozen_producer_shows_in_every_service_and_a_quiet_market_in_none(
    start_live: Callable[[str], Live], simulator: Simulator
) -> None:
    # No boundary passes within the test's time.
    live = start_live("1h")
    readers = ("ohlc-aggregator", "feature-writer")
    wait_until(
        lambda: live.metric("ohlc-aggregator", "ohlc_last_trade_timestamp_seconds{"),
        60,
        "a trade is read",
    )
    # The exchange goes on to answer, and nothing is traded.
    simulator.control.order({"fault": "skip", "trades": 1_000_000})
    quiet_until = time.monotonic() + _QUIET_SECONDS
    wait_until(
        lambda: (
            {live.health(name) for name in _SERVICES} != {200} or time.monotonic() > quiet_until
        ),
        30,
        "a quiet market has lasted",
    )
    assert time.monotonic() > quiet_until, [live.status(name) for name in _SERVICES]
    live.services["trade-producer"].pause()
    wait_until(
        lambda: all(live.health(name) == 503 for name in readers),
        15,
        "the readers are unhealthy",
    )
    status = live.status("ohlc-aggregator")
    assert status["state"] == "stalled"
    assert "data" in status["message"]
    live.services["trade-producer"].resume()
    wait_until(
        lambda: all(live.health(name) == 200 for name in _SERVICES), 20, "all are healthy again"
    )


@pytest.mark.skipif(
    _PROMETHEUS is None,
    reason="prometheus is not installed (Debian and Ubuntu: apt-get install prometheus)",
)
def test_prometheus_scrapes_the_services_and_every_dashboard_query_has_data(
    start_live: Callable[[str], Live], tmp_path: Path
) -> None:
    live = start_live("1s,1m")
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps(_config(live)), encoding="utf-8")
    (tmp_path / "alerts.yml").write_text(
        # At once, so that the test need not wait for minutes.
        re.sub(r"for: \S+", "for: 0s", (_DOCKER / "prometheus/alerts.yml").read_text("utf-8")),
        encoding="utf-8",
    )
    prometheus = ManagedProcess(
        "prometheus",
        [
            str(_PROMETHEUS),
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address={address}",
        ],
        tmp_path / "prometheus.log",
    )
    prometheus.start()
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", trust_env=False) as client:
            expressions = _dashboard_expressions()
            deadline = time.monotonic() + 40
            while (lacking := _without_data(client, expressions)) and time.monotonic() < deadline:
                time.sleep(0.5)
            assert not lacking, lacking
            assert _firing(client) == set()
            live.services["trade-producer"].pause()
            wait_until(lambda: "ServiceStalled" in _firing(client), 30, "ServiceStalled fires")
            live.services["trade-producer"].resume()
            wait_until(lambda: not _firing(client), 30, "every alert is resolved")
    finally:
        prometheus.kill()


def _config(live: Live) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        },
        "rule_files": ["alerts.yml"],
        "scrape_configs": [
            {
                "job_name": name,
                "static_configs": [
                    {"targets": [address.removeprefix("http://").removesuffix("/")]}
                ],
            }
            for name, address in live.addresses.items()
        ],
    }


def _dashboard_expressions() -> list[str]:
    dashboard = json.loads((_DOCKER / "grafana/dashboards/pipeline.json").read_text("utf-8"))
    return [
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
        if not _NOT_RUNNING.search(target["expr"])
        and not any(name in target["expr"] for name in _ONLY_AFTER_FAILURES)
    ]


def _without_data(client: httpx.Client, expressions: list[str]) -> list[str]:
    try:
        return [each for each in expressions if not _query(client, each)]
    except (httpx.TransportError, ValueError):
        return ["Prometheus does not answer yet"]


def _query(client: httpx.Client, expression: str) -> list[Any]:
    answer = client.get("/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    result: list[Any] = answer["data"]["result"]
    return result


def _firing(client: httpx.Client) -> set[str]:
    alerts = client.get("/alerts").json()["data"]["alerts"]
    return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}
