"""The trade producer's settings."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ohlc_core.service.setting_groups import (
    IntervalSettings,
    KafkaSettings,
    ObservabilitySettings,
    RunSettings,
)
from ohlc_exchanges.settings import ProductSettings

START_WORDS = ("last", "window", "now")


def start_moment_us(text: str) -> int | None:
    """Return the moment START_FROM names, in microseconds; None for its words.

    A date or time without an offset is UTC.

    Raises:
        ValueError: the text is neither a word nor an ISO date or time.
    """
    if text in START_WORDS:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _start(text: str) -> str:
    start_moment_us(text)
    return text


class ProducerSettings(
    ObservabilitySettings, KafkaSettings, RunSettings, ProductSettings, IntervalSettings
):
    """Where to read, where to begin, how patient to be."""

    start_from: Annotated[str, AfterValidator(_start)] = Field(
        "last", description="last, window, now, or an ISO date or time, e.g. 2026-01-31"
    )
    grace_ms: int = Field(
        1_000, ge=0, le=3_600_000, description="milliseconds, 0 to 3600000, as the aggregator's"
    )
    processing_guarantee: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once",
        description="at-least-once (idempotent appends) or exactly-once (transactions)",
    )
    takeover_seconds: float = Field(
        1.0,
        ge=0,
        le=60,
        description="seconds without an append of the products before their end is read, 0 to 60",
    )
    rest_interval_seconds: float | None = Field(
        None, ge=0, le=60, description="spacing of REST calls, seconds (unset: the exchange's)"
    )
    connect_backoff_seconds: float = Field(
        1.0, gt=0, le=60, description="the first wait between failed connections, seconds"
    )
    max_connection_age_seconds: float | None = Field(
        None,
        gt=0,
        description="replace a connection after this long (unset: the exchange's own limit)",
    )
    fill_attempts: int = Field(
        5, ge=1, le=100, description="times history may answer without the missing trades"
    )
    fill_patience_seconds: float = Field(
        120, gt=0, description="seconds that history may fail to answer before a gap is recorded"
    )
    confirmed_jumps: Literal["gap", "accept"] = Field(
        "gap",
        description="ids missing in every answer of history that holds those around them: gap "
        "(a gap record, their candles incomplete) or accept (the exchange never used them)",
    )
    max_parked_trades: int = Field(
        200_000, ge=1_000, description="trades kept in memory behind holes, over all products"
    )
