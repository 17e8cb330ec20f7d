"""The trade producer's settings."""

import time
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ohlc_core.service.setting_groups import (
    GraceMs,
    IntervalSettings,
    KafkaSettings,
    ObservabilitySettings,
    ProcessingGuarantee,
    RestInterval,
    RunSettings,
)
from ohlc_exchanges.settings import ProductSettings

_DAY_US = 86_400_000_000
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
    moment_us = start_moment_us(text)
    if moment_us is not None and moment_us > time.time_ns() // 1_000 + _DAY_US:
        raise ValueError("lies more than a day ahead; nothing would be fetched")
    return text


class ProducerSettings(
    ObservabilitySettings, KafkaSettings, RunSettings, ProductSettings, IntervalSettings
):
    """trade-producer: live trades of an exchange onto the topic trades."""

    example = (
        "KAFKA_BROKER_ADDRESS=localhost:9092 trade-producer --exchange kraken "
        "--product-ids BTC/USD,ETH/USD"
    )

    start_from: Annotated[str, AfterValidator(_start)] = Field(
        "last",
        description="last (where the topic ends), window (start of the longest current window), "
        "now, or an ISO date or time such as 2026-01-31",
    )
    grace_ms: GraceMs = 1_000
    processing_guarantee: ProcessingGuarantee = "at-least-once"
    takeover_seconds: float = Field(
        0.5,
        ge=0,
        le=60,
        description="seconds, 0 to 60; at start, wait until nothing was written for these products "
        "for this long",
    )
    rest_interval_seconds: RestInterval = None
    connect_backoff_seconds: float = Field(
        1.0, gt=0, le=60, description="seconds; the first wait between failed connections"
    )
    max_connection_age_seconds: float | None = Field(
        None,
        gt=0,
        description="seconds; replace a connection after this long (unset: the exchange's limit)",
    )
    fill_attempts: int = Field(
        5,
        ge=1,
        le=100,
        description="REST answers without the missing trades before a gap is recorded",
    )
    fill_patience_seconds: float = Field(
        120, gt=0, description="seconds without any REST answer before a gap is recorded"
    )
    max_gap_wait_seconds: float = Field(
        10,
        gt=0,
        description="seconds from the first REST answer without the missing trades until a gap is "
        "recorded, however few attempts that were",
    )
    confirmed_jumps: Literal["gap", "accept"] = Field(
        "gap",
        description="what to do with ids that REST keeps skipping: gap records them as missing, "
        "accept treats them as never issued",
    )
    max_buffered_trades: int = Field(
        200_000,
        ge=1_000,
        description="trades buffered in memory behind gaps, over all products; more are dropped "
        "and fetched again",
    )
