"""Starting where a broker does not know a topic yet that was just created."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from quixstreams.models.topics.exceptions import TopicNotFoundError

from ohlc_aggregator import application
from ohlc_aggregator.main import _build_patiently
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.errors import FatalError
from ohlc_core.service.runner import Runtime
from ohlc_core.service.settings import load


def _not_found(*_: Any) -> None:
    raise TopicNotFoundError('Topic "changelog" not found on the broker')


def _frozen(*_: Any) -> None:
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def _forbidden(*_: Any) -> None:
    raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.mark.parametrize("fail", [_not_found, _frozen])
def test_broker_that_cannot_describe_a_topic_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None]
) -> None:
    built = object()
    tries = []

    def build(*_: Any) -> object:
        tries.append(1)
        if len(tries) < 3:
            fail()
        return built

    monkeypatch.setattr(application, "build", build)

    assert _build_patiently(load(AggregatorSettings), Runtime()) is built


def test_a_topic_that_never_appears_ends_the_start_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(application, "build", _not_found)
    settings = load(AggregatorSettings, kafka_startup_timeout_seconds=0.3)

    with pytest.raises(FatalError, match=r'"changelog" not found on the broker.*for 0\.3 s'):
        _build_patiently(settings, Runtime())


def test_broker_that_refuses_a_topic_ends_the_start_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(application, "build", _forbidden)

    with pytest.raises(FatalError, match="Topic authorization failed"):
        _build_patiently(load(AggregatorSettings), Runtime())


def test_a_stop_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "build", _not_found)
    runtime = Runtime()
    runtime.stop.set()

    assert _build_patiently(load(AggregatorSettings), runtime) is None
