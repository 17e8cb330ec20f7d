"""Asking a broker again while it starts."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from ohlc_core.kafka.patience import patient


def _failing(times: int, code: int) -> Callable[[str], str]:
    left = [times]

    def ask(question: str) -> str:
        if left[0]:
            left[0] -= 1
            raise KafkaException(KafkaError(code))
        return f"answer to {question}"

    return ask


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION]
)
def test_broker_that_does_not_lead_yet_is_asked_again(code: int) -> None:
    waits: list[float] = []
    ask = patient(_failing(3, code), 60.0, waits.append)
    assert ask("bounds") == "answer to bounds"
    assert len(waits) == 3


def test_refusal_is_raised_at_once() -> None:
    waits: list[float] = []
    ask = patient(_failing(1, KafkaError.TOPIC_AUTHORIZATION_FAILED), 60.0, waits.append)
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        ask("bounds")
    assert not waits


def test_broker_that_never_leads_ends_with_its_error() -> None:
    ask = patient(_failing(1_000_000, KafkaError.NOT_LEADER_FOR_PARTITION), 0.0)
    with pytest.raises(KafkaException, match="NOT_LEADER"):
        ask("bounds")
