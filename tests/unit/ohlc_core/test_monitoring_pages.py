"""``/metrics``, ``/health`` and ``/status``: what they say, and to whom they still answer."""

import resource
import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from ohlc_core.service.health import Health
from ohlc_core.service.http_server import MonitoringServer, serve
from ohlc_core.service.status import Status

_HALF_OPEN = 1_000


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def status() -> Status:
    return Status("trade-producer")


@pytest.fixture
def server(health: Health, status: Status) -> Iterator[MonitoringServer]:
    server = serve(health, "127.0.0.1", 0, CollectorRegistry(), status)
    yield server
    server.shutdown()
    server.server_close()


def get(server: MonitoringServer, path: str) -> httpx.Response:
    return httpx.get(
        f"http://127.0.0.1:{server.server_address[1]}{path}", trust_env=False, timeout=5
    )


def test_status_says_what_the_service_works_on_and_how_far_it_is(
    server: MonitoringServer, status: Status
) -> None:
    status.works_on(exchange="kraken", products=["BTC/USD"])
    status.say("live", "Live: last trade 0.4 s ago")
    status.progress(trades=7)
    answer = get(server, "/status").json()
    assert answer["service"] == "trade-producer"
    assert answer["version"]
    assert answer["works_on"] == {"exchange": "kraken", "products": ["BTC/USD"]}
    assert (answer["state"], answer["message"]) == ("live", "Live: last trade 0.4 s ago")
    assert answer["progress"] == {"trades": 7}
    assert answer["healthy"] is True


def test_status_names_the_part_that_stands_still(
    server: MonitoringServer, status: Status, health: Health
) -> None:
    status.say("live", "Live")
    health.expect("broker", -1)
    answer = get(server, "/status").json()
    assert answer["state"] == "stalled"
    assert "broker" in answer["message"]
    assert get(server, "/health").status_code == 503


def test_part_judged_from_its_first_progress_may_begin_late(health: Health) -> None:
    health.expect("data", -1, from_first=True)
    assert health.report()[0]
    health.progress("data")
    assert not health.report()[0]


def test_unknown_page_names_the_pages_there_are(server: MonitoringServer) -> None:
    answer = get(server, "/metricsfoo")
    assert answer.status_code == 404
    assert "/status" in answer.text


def test_pages_answer_beside_a_thousand_half_open_clients(server: MonitoringServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _HALF_OPEN * 2 + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} open files, the test needs {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    clients: list[socket.socket] = []
    try:
        for number in range(_HALF_OPEN):
            client = socket.create_connection(server.server_address[:2], timeout=5)
            client.sendall(b"GET /metr" if number % 2 else b"")
            clients.append(client)
        for path in ("/metrics", "/health", "/status"):
            assert get(server, path).status_code == 200
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
