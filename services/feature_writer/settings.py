"""What the feature writer can be told."""

from pydantic import Field

from ohlc_core.service.setting_groups import KafkaSettings, ObservabilitySettings, RunSettings
from ohlc_features.settings import FeatureStoreSettings


class WriterSettings(FeatureStoreSettings, KafkaSettings, RunSettings, ObservabilitySettings):
    """Settings of the feature writer."""

    write_incomplete: bool = Field(
        False, description="true to store candles that miss trades too, or false"
    )
    write_batch_size: int = Field(
        5_000, ge=1, le=100_000, description="candles in one write at most, 1 to 100000"
    )
    write_batch_seconds: float = Field(
        0.5, ge=0, le=60, description="seconds a candle waits for others at most, 0 to 60"
    )
    write_retry_seconds: float = Field(
        600, ge=0, description="seconds a write is tried again before the service gives up"
    )
