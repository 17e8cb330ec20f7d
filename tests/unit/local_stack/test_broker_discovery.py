"""The broker that `make topics`, `make lag` and `make consume` mean when none is named."""

import socket
from pathlib import Path

import pytest

from local_stack.broker_discovery import reach
from local_stack.settings import StackSettings
from ohlc_core.service.settings import load


def test_broker_of_docker_compose_is_found_at_the_port_in_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAFKA_BROKER_ADDRESS", raising=False)
    monkeypatch.delenv("KAFKA_PORT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / ".env").write_text(f"KAFKA_PORT={port}\n")
        assert reach(load(StackSettings)).kafka_broker_address == f"localhost:{port}"
    assert reach(load(StackSettings)).kafka_broker_address == "localhost:9092"
