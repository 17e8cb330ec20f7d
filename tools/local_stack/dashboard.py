"""The dashboard of a run: its page is the first thing the run says."""

from collections.abc import Callable, Mapping

from dashboard.settings import DashboardSettings
from local_stack.errors import StackError
from local_stack.pipeline import Pipeline
from local_stack.ports import is_free
from local_stack.services import service
from ohlc_core.service.settings import load

_TRIED_PORTS = 20


def dashboard_address(say: Callable[[str], None]) -> dict[str, str]:
    """Choose the dashboard's port, say where the page will be, and return the settings for it."""
    # The run's own broker and store replace what is set; only the address counts here.
    settings = load(DashboardSettings, feature_store="console", kafka_security_protocol="PLAINTEXT")
    host, first = settings.dashboard_host, settings.dashboard_port
    ports = range(first, min(first + _TRIED_PORTS, 65_536)) if first else ()
    port = next((each for each in ports if is_free(each, host)), 0)
    if port:
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        say(f"dashboard   http://{shown}:{port}/")
    return {"DASHBOARD_HOST": host, "DASHBOARD_PORT": str(port)}


def start_dashboard(
    pipeline: Pipeline,
    settings: Mapping[str, str],
    address: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Start the dashboard; a run goes on without it."""
    ours = {**settings, **pipeline.settings_for("dashboard"), **address}
    ours.pop("KAFKA_GROUP_INSTANCE_ID", None)
    ours["LOCAL_STACK_FOLDER"] = str(pipeline.folder.path.parent)
    try:
        process = service("dashboard", pipeline.folder, ours, pipeline.metrics_port())
    except StackError as error:
        say(f"note: no dashboard: {error}")
        return
    pipeline.start_beside(process)
