"""A broker for a whole module of upgrade tests: each step goes on with what the last one left."""

from collections.abc import Iterator

import pytest

from local_stack.brokers import LocalBroker, start_broker


@pytest.fixture(scope="module")
def module_broker(_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    with start_broker("kafka", tmp_path_factory.mktemp("upgrade-broker")) as started:
        yield started
