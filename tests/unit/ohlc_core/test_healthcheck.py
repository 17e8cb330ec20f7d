"""A container is healthy exactly while its service says it makes progress."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from ohlc_core.service.health import Health
from ohlc_core.service.healthcheck import problem
from ohlc_core.service.http_server import serve


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def port(clock: Clock) -> Iterator[str]:
    health = Health(clock)
    health.expect("poll", 10)
    server = serve(health, "127.0.0.1", 0, CollectorRegistry())
    yield str(server.server_address[1])
    server.shutdown()
    server.server_close()


def test_a_service_that_makes_progress_is_healthy(port: str) -> None:
    assert problem(port) == ""


def test_a_silent_part_makes_the_container_unhealthy_and_is_named(port: str, clock: Clock) -> None:
    clock.now = 11
    assert problem(port).startswith("status 503: ")
    assert '"poll"' in problem(port)


def test_a_service_that_does_not_answer_is_unhealthy() -> None:
    assert "did not answer" in problem("1")


@pytest.mark.parametrize("port_setting", ["", "http"])
def test_a_missing_port_is_named_with_the_remedy(port_setting: str) -> None:
    assert problem(port_setting).startswith(f"METRICS_PORT was {port_setting!r}")
