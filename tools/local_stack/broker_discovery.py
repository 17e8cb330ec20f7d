"""Which broker a command means, when several may run on this machine."""

import io
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from local_stack.settings import StackSettings
from ohlc_core.service.local_runs import running_stacks
from ohlc_core.service.settings import env_file_text

#: The port at which docker-compose.yml publishes its broker.
_COMPOSE_PORT = 19_092


def reach(settings: StackSettings) -> StackSettings:
    """Return the settings with the address of the broker that is meant.

    That is the one KAFKA_BROKER_ADDRESS names, else that of the newest local run, else that of
    ``docker compose up`` where it answers, else the default.
    """
    if settings.was_given("kafka_broker_address"):
        return settings
    stacks = running_stacks(Path(settings.local_stack_folder))
    if stacks:
        return at_stack(settings, stacks[0])
    port = _compose_port()
    return _at(settings, f"localhost:{port}") if _is_listening(port) else settings


def at_stack(settings: StackSettings, stack: Mapping[str, Any]) -> StackSettings:
    """Return the settings with the address of a running stack's broker."""
    address = str(stack["broker"])
    if settings.was_given("kafka_broker_address") and address == settings.kafka_broker_address:
        return settings
    return _at(settings, address)


def _at(settings: StackSettings, address: str) -> StackSettings:
    return settings.model_copy(
        update={"kafka_broker_address": address, "kafka_security_protocol": "PLAINTEXT"}
    )


def _compose_port() -> int:
    in_file = dotenv_values(stream=io.StringIO(env_file_text())).get("KAFKA_PORT")
    given = os.environ.get("KAFKA_PORT") or in_file or ""
    return int(given) if given.isdecimal() else _COMPOSE_PORT


def _is_listening(port: int) -> bool:
    if not 0 < port < 65_536:
        return False
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True
