"""What librdkafka reports of a client's connections, in one line with the remedy."""

import re
import socket

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from ohlc_core.kafka.config import connection_config
from ohlc_core.service.setting_groups import KafkaSettings

# A text of librdkafka, and the remedy.
_REMEDIES = (
    (
        "connecting to a PLAINTEXT broker listener",
        "that listener speaks no TLS: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SASL_PLAINTEXT, "
        "or use the port of its TLS listener",
    ),
    (
        "connecting to a SSL listener",
        "that listener speaks TLS: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL",
    ),
    (
        "certificate verify failed",
        "set KAFKA_SSL_CA_LOCATION to the CA bundle of the broker's certificate",
    ),
    (
        "current SASL state",
        "that listener takes no SASL: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SSL",
    ),
    (
        "mechanism handshake failed",
        "set KAFKA_SASL_MECHANISM to one that the broker supports",
    ),
    (
        "SASL authentication error",
        "correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
    ),
    ("Failed to resolve", "correct the host in KAFKA_BROKER_ADDRESS"),
)
_AFTER = re.compile(r" \(after \d+ms in state.*\)$")
_PROBE_SECONDS = 2.0
_PROBES = 5


class ConnectionErrors:
    """The latest useful error of a client's connections; give it as ``error_cb``."""

    def __init__(self) -> None:
        self._text = ""

    def __call__(self, error: KafkaError) -> None:
        """Note the error; one that says nothing of the cause replaces none that does."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            return
        text = _AFTER.sub("", error.str())
        if _remedy(text) or not _remedy(self._text):
            self._text = text

    @property
    def advice(self) -> str:
        """What was wrong and the remedy; "" where nothing is known beyond an absent broker."""
        remedy = _remedy(self._text)
        return f"{self._text}; {remedy}" if remedy else ""


def _remedy(reported: str) -> str:
    return next((remedy for text, remedy in _REMEDIES if text in reported), "")


def unreachable_brokers(settings: KafkaSettings) -> list[str]:
    """Return the addresses that the brokers advertise and that cannot be connected to."""
    for _ in range(_PROBES):
        # A new client each time: one that has learnt the addresses asks only there, and it may
        # learn them before its first question is sent.
        admin = AdminClient(connection_config(settings) | {"log_level": 0})
        try:
            brokers = admin.list_topics(timeout=_PROBE_SECONDS).brokers.values()
        except KafkaException:
            continue
        break
    else:
        return []
    return [f"{each.host}:{each.port}" for each in brokers if not _connects(each.host, each.port)]


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return False
    return True
