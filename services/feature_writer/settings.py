"""Settings of the feature writer."""

from pydantic import Field

from ohlc_core.service.setting_groups import KafkaSettings, ObservabilitySettings, RunSettings
from ohlc_features.settings import FeatureStoreSettings


class WriterSettings(FeatureStoreSettings, KafkaSettings, RunSettings, ObservabilitySettings):
    """feature-writer: candles of the topic ohlc into the feature store."""

    example = (
        "FEATURE_STORE_URL=sqlite:///data/features.db feature-writer "
        "--kafka-broker-address localhost:9092"
    )

    write_incomplete: bool = Field(
        False, description="true: store candles with missing trades too; false: only complete ones"
    )
    write_batch_size: int = Field(
        5_000, ge=1, le=100_000, description="max candles per write, 1 to 100000"
    )
    write_retry_seconds: float = Field(
        600,
        ge=0,
        description="seconds to retry a failed write before the service exits with code 1",
    )
