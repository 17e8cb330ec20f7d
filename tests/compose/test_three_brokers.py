"""Three brokers keep every topic in three copies; one of them may die for good."""

import json
import os

import pytest

from support.compose import Simulator, StartStack
from support.made_up_market import market, wait_for_all_candles_until_now

_COPIES = """
from confluent_kafka.admin import AdminClient
import json, os
admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BROKER_ADDRESS"]})
topics = admin.list_topics(timeout=10).topics
print(json.dumps({name: len(topic.partitions[0].replicas) for name, topic in topics.items()}))
"""

pytestmark = pytest.mark.skipif(
    os.environ.get("COMPOSE_TESTS_ALL") != "1",
    reason="three brokers are much for a small machine: COMPOSE_TESTS_ALL=1 make test-compose",
)


@pytest.mark.timeout(900)
def test_the_pipeline_goes_on_without_one_of_three_brokers(new_stack: StartStack) -> None:
    stack = new_stack(
        "docker-compose.yml",
        "docker-compose.simulator.yml",
        "docker-compose.three-brokers.yml",
        **market(),
    )
    stack.up()
    simulator = Simulator(stack)
    copies = json.loads(stack.compose("exec", "-T", "feature-writer", "python", "-c", _COPIES))
    assert {copies["trades"], copies["ohlc"]} == {3}
    before = wait_for_all_candles_until_now(stack, simulator)

    stack.kill("redpanda-2")

    after = wait_for_all_candles_until_now(stack, simulator)
    simulator.close()
    assert len(after) > len(before) > 0
