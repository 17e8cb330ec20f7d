"""Settings that several services share: the broker, the run, logs and metrics, intervals."""

from pathlib import Path
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

# Settings of several services, in the same words everywhere.
GraceMs = Annotated[
    int,
    Field(
        ge=0,
        le=3_600_000,
        description="ms to wait for late trades after a window's end, 0 to 3600000; the same for "
        "all services",
    ),
]
ProcessingGuarantee = Annotated[
    Literal["at-least-once", "exactly-once"],
    Field(description="at-least-once (idempotent appends) or exactly-once (Kafka transactions)"),
]
RestInterval = Annotated[
    float | None,
    Field(ge=0, le=60, description="seconds between REST calls (empty: the exchange's limit)"),
]

_MAX_PORT = 65_536


def _addresses(text: str) -> str:
    for address in text.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < _MAX_PORT):
            raise ValueError(f"{address.strip()!r} has no port")
    return text


def _existing_file(text: str) -> str:
    try:
        exists = not text or Path(text).is_file()
    except OSError as error:  # a name that is too long, for example
        raise ValueError(error.strerror) from None
    if not exists:
        raise ValueError("there is no such file")
    return text


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class KafkaSettings(EnvSettings):
    """The broker and the topics."""

    kafka_broker_address: Annotated[str, AfterValidator(_addresses)] = Field(
        "localhost:9092", description="addresses of one or more brokers: host:port[,host:port...]"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, for a SASL protocol"
    )
    kafka_sasl_username: str = Field("", description="user name, for a SASL protocol")
    kafka_sasl_password: SecretStr = Field(
        SecretStr(""), description="password, for a SASL protocol"
    )
    kafka_ssl_ca_location: Annotated[str, AfterValidator(_existing_file)] = Field(
        "", description="path of a CA bundle in PEM format, for SSL (empty: the system's)"
    )
    kafka_group_instance_id: str = Field(
        "",
        description="fixed member name in the consumer group, so that a restart keeps its "
        "partitions; a different one per instance (empty: none)",
    )
    kafka_startup_timeout_seconds: float = Field(
        60, gt=0, description="seconds to wait for the broker at start, above 0"
    )
    topic_partitions: int = Field(
        4, ge=1, le=10_000, description="partitions of new topics, 1 to 10000"
    )
    topic_replication: int = Field(
        1, ge=1, le=7, description="copies of new topics, 1 to 7; at most the number of brokers"
    )
    topic_retention_bytes: int = Field(
        1_073_741_824,
        ge=-1,
        description="bytes kept per partition of new live topics (-1: all)",
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
    """Which pipeline: live, or a backfill run."""

    run_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,60}$",
        description="name of a backfill run: up to 60 of A-Z a-z 0-9 . _ - (empty: live)",
    )

    @property
    def topics(self) -> TopicNames:
        """The names of the pipeline's topics and consumer groups."""
        return topic_names(self.run_id)


class ObservabilitySettings(EnvSettings):
    """Logs, metrics and health."""

    log_level: Annotated[
        Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)
    ] = Field("INFO", description="TRACE, DEBUG, INFO, WARNING or ERROR, in any case")
    log_format: Literal["text", "json"] = Field(
        "text", description="text (for people) or json (one object per line)"
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port of /metrics, /health and /status (0: any free one; empty: not served)",
    )
    metrics_host: str = Field(
        "127.0.0.1", description="address that /metrics, /health and /status listen on"
    )
    hang_seconds: float = Field(
        120,
        ge=10,
        description="exit with code 1 after this many seconds without progress although the "
        "broker answers, 10 or more",
    )


class IntervalSettings(EnvSettings):
    """The candles' intervals."""

    ohlc_intervals: IntervalList = Field(
        ("1m", "5m", "1h"),
        description="comma-separated intervals, each a count and s, m, h, d or w, e.g. 1m,5m,1h",
    )


class EmptyCandlesSettings(EnvSettings):
    """What a window without trades gives."""

    empty_candles: Literal["skip", "fill"] = Field(
        "fill",
        description="windows without trades: fill (a flat candle at the last close) or skip (none)",
    )
