"""``local-stack demo``, ``run`` and ``debug``: the pipeline until it is stopped."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from local_stack.achieved import achieved
from local_stack.candle_feed import CandleFeed
from local_stack.dashboard import dashboard_address, start_dashboard
from local_stack.errors import StackError
from local_stack.market import claim, demo_store_url, market
from local_stack.pipeline import Pipeline, running
from local_stack.ports import free_port
from local_stack.preflight import (
    check_broker,
    check_client,
    check_ports,
    check_settings,
    network_note,
)
from local_stack.processes import OnScreen, ProcessDiedError
from local_stack.resume_after_store import beginning
from local_stack.run_folder import RunFolder
from local_stack.services import Service, service
from local_stack.settings import StackSettings
from local_stack.stopping import StopRequest
from local_stack.view import Backlog, View, view_for
from local_stack.warning_lines import WarningLines
from ohlc_core.messages.topics import topic_names
from ohlc_core.service.clean_text import hide_secrets
from ohlc_core.service.settings import load
from ohlc_exchanges.settings import ProductSettings
from ohlc_features.sql.market import SIMULATED
from ohlc_features.sql.url import store_url

Mode = Literal["demo", "run", "debug"]

_SERVICES = ("trade-producer", "ohlc-aggregator", "feature-writer")
_SIMULATOR_SECONDS = 30.0
# Short enough that a newcomer sees candles at once; the contract's own intervals follow.
_DEMO_INTERVALS = "10s,1m,5m,1h"
# Windows of 250 minutes are whole from the first row on.
_DEMO_HISTORY = timedelta(hours=5)
_SHIPPED_DEFINITIONS = Path(__file__).resolve().parents[2] / "features" / "momentum.py"
_POLL_SECONDS = 0.2


def run_live(mode: Mode, settings: StackSettings, stop: StopRequest) -> None:
    """Run the pipeline until ``stop`` is set.

    Raises:
        StackError: something it needs cannot be started or kept running.
    """
    folder = RunFolder(Path(settings.local_stack_folder), mode)
    folder.acquire()
    if mode == "demo":
        # The simulated market begins again with every demo, so nothing of an earlier one fits.
        folder.forget()
    # In debug the writer has the screen.
    view = view_for(sys.stdout.isatty() and mode != "debug")
    try:
        with running(Pipeline(folder, settings, view.say)) as pipeline:
            started = _start(mode, pipeline, view, stop)
            if started and not stop.is_set:
                _watch(mode, pipeline, view, stop)
                if mode != "debug" and (line := achieved(pipeline.services)):
                    view.say(line)
            view.say("stopping ...")
    finally:
        view.close()
    view.say("stopped; nothing is left running")


def _start(mode: Mode, pipeline: Pipeline, view: View, stop: StopRequest) -> bool:
    settings, folder = pipeline.settings, pipeline.folder
    for_service = _settings_of_services(mode, settings, folder, stop)
    _check(mode, settings, for_service, view, stop)
    address = dashboard_address(view.say)
    if mode == "demo":
        for_service |= _start_simulator(pipeline, view, stop)
    if mode == "demo" or not settings.was_given("kafka_broker_address"):
        pipeline.start_broker(topic_names())
    if mode == "run":
        begin = beginning(settings, pipeline.kafka, datetime.now(UTC))
        for_service |= begin.settings
        if begin.note:
            view.say(f"note: {begin.note}")
    for script in _SERVICES:
        if stop.is_set:
            return False
        ours = pipeline.settings_for(script)
        has_screen = mode == "debug" and script == "feature-writer"
        on_screen: OnScreen = "stdout" if has_screen else "nothing"
        port = pipeline.metrics_port()
        pipeline.start(service(script, folder, for_service | ours, port, on_screen))
    start_dashboard(pipeline, for_service, address, view.say)
    _tell_where(mode, pipeline, for_service, view)
    return True


def _check(
    mode: Mode, settings: StackSettings, ours: dict[str, str], view: View, stop: StopRequest
) -> None:
    """Check all that can be known before anything is started."""
    scripts = (*_SERVICES, "exchange-simulator") if mode == "demo" else _SERVICES
    is_own_broker = mode == "demo" or not settings.was_given("kafka_broker_address")
    check_settings(
        scripts, ours | ({"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"} if is_own_broker else {})
    )
    check_ports(settings, len(scripts) + 1)  # and the dashboard's
    check_client(ours.get("FEATURE_STORE", settings.feature_store))
    if not is_own_broker:
        check_broker(settings, stop)
    if mode != "demo" and (note := network_note(load(ProductSettings))):
        view.say(f"note: {note}")


def _settings_of_services(
    mode: Mode, settings: StackSettings, folder: RunFolder, stop: StopRequest
) -> dict[str, str]:
    ours = {"RUN_ID": ""}
    products = load(ProductSettings)
    if mode == "debug":
        return ours | {"FEATURE_STORE": "console"}
    if mode == "demo":
        url = demo_store_url(settings, folder)
        claim(settings, url, products.exchange, SIMULATED, stop)
        ours |= {"FEATURE_STORE": "local", "FEATURE_STORE_URL": url}
        if not settings.was_given("ohlc_intervals"):
            ours["OHLC_INTERVALS"] = _DEMO_INTERVALS
        ours |= _demo_features(settings, datetime.now(UTC))
    elif settings.feature_store == "local":
        url = settings.feature_store_url
        origin = market(products, Path(settings.local_stack_folder))
        claim(settings, url, products.exchange, origin, stop)
        ours["FEATURE_STORE_URL"] = url
    return ours


def _demo_features(settings: StackSettings, now: datetime) -> dict[str, str]:
    """Return what a demo needs to show features at once: definitions and their windows' history."""
    ours = {
        "START_FROM": (now - _DEMO_HISTORY).isoformat(timespec="seconds"),
        # The simulated exchange has no limits.
        "REST_INTERVAL_SECONDS": "0",
    }
    if not settings.was_given("feature_definitions"):
        ours["FEATURE_DEFINITIONS"] = str(_SHIPPED_DEFINITIONS)
    return ours


def _start_simulator(pipeline: Pipeline, view: View, stop: StopRequest) -> dict[str, str]:
    # A fixed port, so that it can be found again after a restart.
    hours = _DEMO_HISTORY // timedelta(hours=1) + 1
    settings = {"SIMULATOR_PORT": str(free_port()), "SIMULATOR_HISTORY": f"{hours}h"}
    port = pipeline.metrics_port()
    simulator = service("exchange-simulator", pipeline.folder, settings, port)
    pipeline.start(simulator)
    addresses = _announced(simulator, stop)
    view.say("exchange    simulated, " + " ".join(f"{k}={v}" for k, v in addresses.items()))
    return {"EXCHANGE_WS_URL": addresses.get("ws", ""), "EXCHANGE_REST_URL": addresses["rest"]}


def _announced(simulator: Service, stop: StopRequest) -> dict[str, str]:
    """Return the addresses in the simulator's first line: ``name kraken ws=... rest=...``."""
    deadline = time.monotonic() + _SIMULATOR_SECONDS
    while time.monotonic() < deadline and not stop.is_set:
        for line in simulator.process.log_lines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if line.startswith("exchange-simulator ") and "rest" in words:
                return words
        try:
            simulator.process.check_running()
        except ProcessDiedError as error:
            code = 2 if simulator.process.exit_code() == 2 else 1
            raise StackError(str(error), exit_code=code) from None
        time.sleep(_POLL_SECONDS)
    raise StackError(f"the exchange simulator did not start; {simulator.process.log_end()}")


def _tell_where(mode: Mode, pipeline: Pipeline, for_service: dict[str, str], view: View) -> None:
    settings = pipeline.settings
    store = for_service.get("FEATURE_STORE", settings.feature_store)
    if store == "local":
        url = for_service.get("FEATURE_STORE_URL", settings.feature_store_url)
        store = hide_secrets(store_url(url).render_as_string(hide_password=True))
    view.say(f"broker      {pipeline.broker_address} ({pipeline.broker_words})")
    view.say(f"store       {store}")
    view.say(f"logs        {pipeline.folder.logs}")
    for each in pipeline.services:
        view.say(f"metrics     {each.metrics_url} ({each.name})")
    view.say("candles are shown as they close; Ctrl-C stops")
    pipeline.folder.publish(
        {
            "mode": mode,
            "broker": pipeline.broker_address,
            "broker_kind": pipeline.broker.kind if pipeline.broker else "",
            "store": store,
            "logs": str(pipeline.folder.logs),
            "settings": _published_settings(for_service),
            "services": pipeline.published_services,
        }
    )


def _published_settings(for_service: dict[str, str]) -> dict[str, str]:
    """Return what a reader of the run's store needs, without secrets."""
    wanted = (
        "FEATURE_STORE",
        "FEATURE_DEFINITIONS",
        "OHLC_INTERVALS",
        "EXCHANGE_WS_URL",
        "EXCHANGE_REST_URL",
    )
    given = {name: for_service.get(name, "") for name in wanted}
    shown = {name: value for name, value in given.items() if value and hide_secrets(value) == value}
    url = for_service.get("FEATURE_STORE_URL", "")
    if url.startswith("sqlite"):
        # As an absolute path: a reader may work in another folder.
        path = Path(store_url(url).database or "").absolute()
        shown["FEATURE_STORE_URL"] = f"sqlite:///{path}"
    return shown


def _watch(mode: Mode, pipeline: Pipeline, view: View, stop: StopRequest) -> None:
    warnings = WarningLines(each.process.log_file for each in pipeline.services)
    backlog = Backlog(time.time_ns() // 1_000_000)
    feed = CandleFeed(pipeline.kafka, topic_names().ohlc)
    try:
        while not stop.is_set:
            candles = feed.read(_POLL_SECONDS)
            if mode != "debug":
                view.candles(backlog.without(candles, view.say))
            for warning in warnings.new():
                view.say(warning)
            pipeline.check()
    finally:
        feed.close()
