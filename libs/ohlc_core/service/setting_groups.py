"""Settings that several services share: the broker, the run, logs and metrics, intervals."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from ohlc_core.domain.interval import Interval
from ohlc_core.messages.topics import TopicNames, topic_names
from ohlc_core.service.settings import EnvSettings, split_list


def _intervals(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        raise ValueError("is empty")
    if len(set(texts)) != len(texts):
        raise ValueError("names an interval twice")
    for text in texts:
        Interval.parse(text)
    return tuple(sorted(texts, key=lambda text: Interval.parse(text).us))


def duration_us(text: str) -> int:
    """Return the microseconds of a duration such as ``90s``, ``1h`` or ``0``."""
    return 0 if text == "0" else Interval.parse(text).us


def _duration(text: str) -> str:
    duration_us(text)
    return text


TextList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
IntervalList = Annotated[TextList, AfterValidator(_intervals)]
Duration = Annotated[str, AfterValidator(_duration)]


class KafkaSettings(EnvSettings):
    """How to reach the broker, and how topics are made."""

    kafka_broker_address: str = Field(
        "localhost:9092", min_length=1, description="host:port[,host:port...]"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, with a SASL protocol"
    )
    kafka_sasl_username: str = Field("", description="the user name, with a SASL protocol")
    kafka_sasl_password: SecretStr = Field(
        SecretStr(""), description="the password, with a SASL protocol"
    )
    kafka_ssl_ca_location: str = Field("", description="path of a CA bundle, for SSL")
    kafka_group_instance_id: str = Field(
        "",
        description="a fixed name of this consumer-group member, so a restart takes its place back",
    )
    kafka_startup_timeout_seconds: float = Field(
        60, gt=0, description="seconds to wait for the broker at start"
    )
    topic_partitions: int = Field(4, ge=1, le=10_000, description="1 to 10000")
    topic_replication: int = Field(1, ge=1, le=7, description="1 to 7")
    topic_retention_bytes: int = Field(
        1_073_741_824,
        ge=-1,
        description="bytes a partition of a live topic keeps (-1: all), for topics not yet created",
    )

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> "KafkaSettings":
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_mechanism
            and self.kafka_sasl_username
            and self.kafka_sasl_password.get_secret_value()
        ):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL was {self.kafka_security_protocol!r}, which needs "
                "KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )
        return self


class RunSettings(EnvSettings):
    """Which pipeline a process belongs to: live, or the backfill run RUN_ID."""

    run_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,60}$",
        description="up to 60 of A-Z a-z 0-9 . _ - (empty: live)",
    )

    @property
    def topics(self) -> TopicNames:
        """The names of the pipeline's topics and consumer groups."""
        return topic_names(self.run_id)


class ObservabilitySettings(EnvSettings):
    """Logs, metrics and health."""

    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="TRACE, DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["text", "json"] = Field("text", description="text or json")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="port of /metrics, /health and /status (0: any free one)"
    )
    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /health and /status")
    hang_seconds: float = Field(
        120,
        ge=10,
        description="seconds without progress, although the broker answers, after which a "
        "service ends itself with exit code 1, 10 or more",
    )


class IntervalSettings(EnvSettings):
    """The intervals of the candles."""

    ohlc_intervals: IntervalList = Field(
        ("1m", "5m", "1h"), description="comma-separated <count><s|m|h|d|w>, e.g. 1m,5m,1h"
    )


class EmptyCandlesSettings(EnvSettings):
    """What a window without trades gives."""

    empty_candles: Literal["skip", "fill"] = Field(
        "skip", description="skip or fill: no candle, or a flat one, for a window without trades"
    )
