"""Kafka-compatible brokers on this machine, without Docker.

`start_broker` gives a real Apache Kafka where Java is at hand, else the small embedded noida.
"""

from local_stack.brokers.broker import BrokerStartError, LocalBroker
from local_stack.brokers.choice import BrokerKind, UnavailableBrokerError, start_broker

__all__ = [
    "BrokerKind",
    "BrokerStartError",
    "LocalBroker",
    "UnavailableBrokerError",
    "start_broker",
]
