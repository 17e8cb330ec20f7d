"""Compose projects on a real Docker engine; ``make test-compose`` prepares and runs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import ComposeStack, StartStack
from support.market_data import market_file
from support.recorded import RECORDING, Official, official_candles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("COMPOSE_TESTS") == "1":
        return
    skip = pytest.mark.skip(reason="needs a Docker engine and built images: make test-compose")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="module")
def new_stack(request: pytest.FixtureRequest) -> Iterator[StartStack]:
    """Make a compose project from files and settings; it is removed with its volumes at the end."""
    made: list[ComposeStack] = []

    def make(*files: str, **settings: str) -> ComposeStack:
        prefix = os.environ["COMPOSE_TEST_PREFIX"]
        module = request.module.__name__.rpartition("test_")[2].replace("_", "-")
        stack = ComposeStack(f"{prefix}-{module}-{len(made)}", files, settings)
        made.append(stack)
        return stack

    failed_before = request.session.testsfailed
    yield make
    for stack in made:
        if request.session.testsfailed > failed_before:
            print(stack.logs())  # noqa: T201 - pytest shows it with the failure
        stack.down()


@pytest.fixture(scope="module")
def official() -> Official:
    """Kraken's candles of the 139 complete traded minutes of the recording."""
    market_file(RECORDING)
    candles = official_candles()
    assert len(candles) == 139
    return candles
