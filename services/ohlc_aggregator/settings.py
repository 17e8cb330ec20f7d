"""The aggregator's settings."""

import hashlib
import platform
from pathlib import Path

from pydantic import Field

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.rules import CandleRules
from ohlc_core.service.setting_groups import (
    Duration,
    EmptyCandlesSettings,
    GraceMs,
    IntervalSettings,
    KafkaSettings,
    ObservabilitySettings,
    ProcessingGuarantee,
    RunSettings,
    duration_us,
)


class AggregatorSettings(
    KafkaSettings, RunSettings, IntervalSettings, EmptyCandlesSettings, ObservabilitySettings
):
    """ohlc-aggregator: candles from the trades on the topic trades."""

    example = "KAFKA_BROKER_ADDRESS=localhost:9092 ohlc-aggregator --ohlc-intervals 1m,5m,1h"

    grace_ms: GraceMs = 1_000
    late_retention: Duration = Field(
        "1h",
        description="how long closed windows accept late trades: 0, or a duration such as 90s, 1h",
    )
    max_ahead: Duration = Field(
        "1h", description="how far a trade's time may be ahead of this machine's clock, e.g. 1h"
    )
    processing_guarantee: ProcessingGuarantee = "at-least-once"
    commit_interval_seconds: float = Field(
        1.0, gt=0, le=60, description="seconds between checkpoints, above 0 to 60"
    )
    state_dir: Path = Field(
        Path("data/state"),
        description="folder for the state of this instance alone; rebuilt from Kafka when lost",
    )

    @property
    def rules(self) -> CandleRules:
        """The candle rules these settings describe."""
        return CandleRules(
            [Interval.parse(text) for text in self.ohlc_intervals],
            self.grace_ms * 1_000,
            duration_us(self.late_retention),
            fill_empty=self.empty_candles == "fill",
        )

    @property
    def instance(self) -> str:
        """A name that stays the same when this instance restarts, and that no other has."""
        if self.kafka_group_instance_id:
            return self.kafka_group_instance_id
        folder = hashlib.sha256(str(self.state_dir.resolve()).encode()).hexdigest()[:8]
        return f"{platform.node()}-{folder}"
