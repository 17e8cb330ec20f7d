"""Fixtures of the writer's service tests."""

import subprocess
from collections.abc import Iterator
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 8 MiB; skip where mounting is not allowed."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
