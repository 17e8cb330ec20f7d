"""Fixtures of the writer's service tests."""

from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.messages.topics import TopicNames
from support.processes import Processes
from support.writer_pipeline import WriterPipeline


@pytest.fixture
def pipeline(
    broker: LocalBroker, unique_topics: TopicNames, tmp_path: Path, processes: Processes
) -> WriterPipeline:
    """A pipeline on the shared broker."""
    return WriterPipeline(broker.address, unique_topics, tmp_path, processes)
