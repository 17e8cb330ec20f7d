"""Asking a broker that has just started or hands over its partitions once more."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from confluent_kafka import KafkaError, KafkaException

_PAUSE_SECONDS = 0.2
#: The client's own ``retriable`` is true for errors of transactions alone.
PASSING = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 - its public name
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
    }
)

P = ParamSpec("P")
R = TypeVar("R")


def is_passing(error: KafkaException) -> bool:
    """Return whether the same question may be answered a little later."""
    return error.args[0].code() in PASSING


def patient(
    ask: Callable[P, R], seconds: float, sleep: Callable[[float], None] = time.sleep
) -> Callable[P, R]:
    """Return ``ask``, called again for ``seconds`` while its errors are passing ones.

    The result raises the last KafkaException when the time is over, and any other one at once.
    """

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return ask(*args, **kwargs)
            except KafkaException as error:
                if not is_passing(error) or time.monotonic() >= deadline:
                    raise
            sleep(_PAUSE_SECONDS)

    return asked
