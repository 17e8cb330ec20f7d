"""The aggregator's settings."""

import hashlib
import platform
from pathlib import Path
from typing import Literal

from pydantic import Field

from ohlc_core.domain.interval import Interval
from ohlc_core.domain.rules import CandleRules
from ohlc_core.service.setting_groups import (
    Duration,
    EmptyCandlesSettings,
    IntervalSettings,
    KafkaSettings,
    ObservabilitySettings,
    RunSettings,
    duration_us,
)


class AggregatorSettings(
    KafkaSettings, RunSettings, IntervalSettings, EmptyCandlesSettings, ObservabilitySettings
):
    """Everything the aggregator can be told."""

    grace_ms: int = Field(
        1_000, ge=0, le=3_600_000, description="0 to 3600000 ms after a window's end"
    )
    late_retention: Duration = Field(
        "1h", description="how long closed windows accept late trades: 0, or e.g. 90s, 1h, 1d"
    )
    max_ahead: Duration = Field(
        "1h", description="how far an event time may be ahead of this machine's clock, e.g. 1h"
    )
    processing_guarantee: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once", description="at-least-once or exactly-once"
    )
    commit_interval_seconds: float = Field(
        1.0, gt=0, le=60, description="seconds between checkpoints, above 0 to 60"
    )
    state_dir: Path = Field(
        Path("data/state"),
        description="a folder of this instance alone; rebuilt from the changelog when lost",
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
