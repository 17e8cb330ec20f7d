"""Who may use /control, and where the websocket answers."""

from collections.abc import Iterator

import httpx
import pytest

from exchange_simulator.settings import SimulatorSettings
from ohlc_exchanges.registry import EXCHANGES
from support.simulator import Simulator, start_simulator
from support.websocket_frames import FrameReader

pytestmark = pytest.mark.service


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with start_simulator(simulator_history="0") as started:
        yield started


def test_control_is_off_unless_asked() -> None:
    assert SimulatorSettings.model_fields["simulator_control"].default is False


def test_requests_to_other_names_of_this_machine_are_refused(simulator: Simulator) -> None:
    url = f"{simulator.rest_url}/control/state"
    assert httpx.get(url).status_code == 200
    refused = httpx.get(url, headers={"Host": "evil.example:80"})
    assert refused.status_code == 403
    assert "localhost" in refused.json()["error"]


def test_requests_of_web_pages_are_refused(simulator: Simulator) -> None:
    url = f"{simulator.rest_url}/control/pause"
    assert httpx.post(url, headers={"Origin": "http://evil.example"}).status_code == 403
    assert httpx.post(url).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_bodies_of_forms_are_refused(simulator: Simulator, kind: str) -> None:
    url = f"{simulator.rest_url}/control/faults"
    body = b'{"fault":"drop"}'
    assert httpx.post(url, content=body, headers={"Content-Type": kind}).status_code == 415
    good = httpx.post(url, content=body, headers={"Content-Type": "application/json"})
    assert good.status_code == 200


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_websocket_answers_at_any_path(exchange: str) -> None:
    with start_simulator(exchange=exchange, simulator_history="0") as simulator:
        address = simulator.rest_url.replace("http://", "ws://")
        for path in ("", "/", "/v2", "/any/where"):
            FrameReader(address + path).close()
        assert httpx.get(f"{simulator.rest_url}/any/where").status_code == 404
