"""Settings of the dashboard."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ohlc_core.service.setting_groups import (
    IntervalSettings,
    KafkaSettings,
    ObservabilitySettings,
    RunSettings,
    TextList,
)
from ohlc_features.settings import FeatureStoreSettings


def _services(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        name, equals, url = text.partition("=")
        if not (name and equals and urlsplit(url).scheme == "http" and urlsplit(url).hostname):
            raise ValueError(f"expected name=http://host:port, not {text!r}")
    return texts


class DashboardSettings(
    FeatureStoreSettings, KafkaSettings, RunSettings, IntervalSettings, ObservabilitySettings
):
    """Where the dashboard listens, and where it looks."""

    dashboard_host: str = Field(
        "127.0.0.1", min_length=1, description="address the dashboard listens at"
    )
    dashboard_port: int = Field(
        8700, ge=0, le=65_535, description="its port; where it is taken, the next free one"
    )
    dashboard_allowed_hosts: TextList = Field(
        (), description="comma-separated host names, besides this machine's, it answers to"
    )
    dashboard_services: Annotated[TextList, AfterValidator(_services)] = Field(
        (),
        description="comma-separated name=http://host:port of the services to look at "
        "(empty: those of the local runs)",
    )
    local_stack_folder: str = Field("run", min_length=1, description="folder of the local runs")

    @property
    def service_addresses(self) -> dict[str, str]:
        """The addresses of DASHBOARD_SERVICES by name."""
        pairs = (text.partition("=") for text in self.dashboard_services)
        return {name: url.rstrip("/") for name, _, url in pairs}
