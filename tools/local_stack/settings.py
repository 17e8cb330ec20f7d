"""Settings of the local stack; the services read theirs from the same environment."""

from typing import Literal

from pydantic import Field

from ohlc_core.service.setting_groups import IntervalSettings, KafkaSettings, ObservabilitySettings
from ohlc_features.settings import FeatureStoreSettings


class StackSettings(KafkaSettings, IntervalSettings, FeatureStoreSettings, ObservabilitySettings):
    """local-stack: the whole pipeline on this machine, without Docker."""

    local_broker: Literal["auto", "kafka", "noida"] = Field(
        "auto",
        description="broker to start: auto (Kafka where Java is installed, else noida), "
        "kafka, noida",
    )
    local_stack_folder: str = Field(
        "run", min_length=1, description="folder for logs, broker data and state of local runs"
    )

    def was_given(self, name: str) -> bool:
        """Return whether the user set the setting, in the environment or in ``.env``."""
        return name in self.model_fields_set
