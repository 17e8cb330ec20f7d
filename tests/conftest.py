"""Fixtures every test can use: a real broker, names of one's own, processes that never stay."""

import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker, kafka_jars, start_broker
from local_stack.brokers.kafka import archive_classes
from ohlc_core.messages.topics import TopicNames, topic_names
from support.kafka import OwnBroker
from support.processes import Processes, Script, start_script


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """Undo what a service run inside a test does to the files of all later ones."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def _kafka() -> None:
    """Skip where there is no Kafka; make its many starts cheap where there is."""
    if lacking := kafka_jars.missing():
        pytest.skip(f"needs a real Apache Kafka, but {lacking}; install Java 17 and Maven")
    try:
        kafka_jars.ensure_jars()
    except kafka_jars.KafkaJarsError as error:
        pytest.skip(f"needs a real Apache Kafka, but {error}")
    archive_classes()


@pytest.fixture(scope="session")
def broker(_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """One real Apache Kafka for the whole test session; never stop or pause it."""
    with start_broker("kafka", tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture
def own_broker(_kafka: None, tmp_path: Path) -> Iterator[OwnBroker]:
    """Start real Kafkas of this test's own, to kill, pause and restart."""
    started: list[LocalBroker] = []

    def start() -> LocalBroker:
        started.append(start_broker("kafka", tmp_path / f"broker-{len(started)}"))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def unique_run_id() -> str:
    """A RUN_ID no other test uses, so that its topics and groups are this test's own."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def unique_topics(unique_run_id: str) -> TopicNames:
    """The topic and group names of `unique_run_id`; nothing is created."""
    return topic_names(unique_run_id)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Start console scripts: ``processes("trade-producer", {"RUN_ID": ...}, args=())``.

    They run in the test's folder with only the given settings, and are killed after the test.
    """
    started: list[Script] = []

    def start(
        script: str, env: Mapping[str, str] | None = None, args: tuple[str, ...] = ()
    ) -> Script:
        started.append(start_script(script, tmp_path / "processes", env, args))
        return started[-1]

    yield start
    for each in started:
        each.kill()
