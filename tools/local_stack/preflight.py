"""What is checked before a run starts anything: all settings, the broker, the client, the ports."""

import contextlib
import importlib.util
import os
import socket
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from exchange_simulator.settings import SimulatorSettings
from feature_writer.settings import WriterSettings
from local_stack.errors import StackError
from local_stack.ports import is_free
from local_stack.services import hopsworks_python
from local_stack.settings import StackSettings
from local_stack.stopping import StopRequest
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.errors import BrokerUnavailableError, SettingsError
from ohlc_core.kafka.admin import wait_for_broker
from ohlc_core.service.settings import EnvSettings, load
from ohlc_exchanges.registry import adapter_for
from ohlc_exchanges.settings import ProductSettings
from trade_producer.settings import ProducerSettings
from trade_replayer.settings import ReplayerSettings

_SETTINGS: dict[str, type[EnvSettings]] = {
    "trade-producer": ProducerSettings,
    "trade-replayer": ReplayerSettings,
    "ohlc-aggregator": AggregatorSettings,
    "feature-writer": WriterSettings,
    "exchange-simulator": SimulatorSettings,
}
_STEP_SECONDS = 2.0
_PROBE_SECONDS = 3.0


def check_settings(scripts: tuple[str, ...], ours: Mapping[str, str]) -> None:
    """Load the settings of every service of the run, with what the run itself sets.

    Raises:
        SettingsError: one line with all that is wrong, each once.
    """
    problems: dict[str, None] = {}
    with _environment(ours):
        for script in scripts:
            try:
                load(_SETTINGS[script])
            except SettingsError as error:
                problems.update(dict.fromkeys(str(error).split(" | ")))
    if problems:
        raise SettingsError(" | ".join(problems))


def check_client(feature_store: str) -> None:
    """Check that the client of the feature store is installed.

    Raises:
        StackError: it is not; exit code 2.
    """
    if feature_store != "hopsworks" or importlib.util.find_spec("hopsworks") is not None:
        return
    if hopsworks_python() is None:
        raise StackError(
            "FEATURE_STORE was 'hopsworks', and its client is not installed; run "
            "`make hopsworks-client` first",
            exit_code=2,
        )


def check_ports(settings: StackSettings, services: int) -> None:
    """Check that METRICS_PORT and those behind it are free.

    Raises:
        SettingsError: one is taken.
    """
    if not settings.metrics_port:
        return
    for port in range(settings.metrics_port, settings.metrics_port + services):
        if not is_free(port, settings.metrics_host):
            raise SettingsError(
                f"METRICS_PORT was {settings.metrics_port}, and the run uses {services} ports from "
                f"there; {port} is taken. Set another, or leave it empty for any free ones"
            )


def check_broker(settings: StackSettings, stop: StopRequest) -> None:
    """Wait until the broker that KAFKA_BROKER_ADDRESS names answers.

    Raises:
        BrokerUnavailableError: it did not within KAFKA_STARTUP_TIMEOUT_SECONDS.
    """
    deadline = time.monotonic() + settings.kafka_startup_timeout_seconds
    while not stop.is_set:
        left = deadline - time.monotonic()
        step = settings if left <= _STEP_SECONDS else _patient_for(settings, _STEP_SECONDS)
        try:
            wait_for_broker(step if left > 0 else _patient_for(settings, 0.1))
        except BrokerUnavailableError as error:
            if left <= _STEP_SECONDS or "within" not in str(error):
                raise
        else:
            return


def network_note(products: ProductSettings) -> str:
    """Return a line where the exchange cannot be reached; "" where it can."""
    adapter = adapter_for(products.exchange)
    address = urlsplit(products.exchange_ws_url or adapter.ws_url)
    port = address.port or (443 if address.scheme == "wss" else 80)
    try:
        socket.create_connection((address.hostname or "", port), _PROBE_SECONDS).close()
    except OSError as error:
        return (
            f"{address.hostname}:{port} cannot be reached ({error.strerror or error}); the "
            "producer keeps trying. `make demo` needs no network"
        )
    return ""


def _patient_for(settings: StackSettings, seconds: float) -> StackSettings:
    return settings.model_copy(update={"kafka_startup_timeout_seconds": seconds})


@contextlib.contextmanager
def _environment(ours: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(ours)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
