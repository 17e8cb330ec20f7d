"""Three aggregators share a made-up market, two die, the broker too, and history is replayed."""

from collections.abc import Iterator

import pytest

from support.compose import ComposeStack, Simulator, StartStack, wait_until_equal
from support.made_up_market import (
    SETTLED_MS,
    exchange_candles,
    market,
    stored_candles,
    wait_for_all_candles_until_now,
)
from support.wait import wait_until

_MEMBERS = """
from confluent_kafka.admin import AdminClient
import os
admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BROKER_ADDRESS"]})
group = admin.describe_consumer_groups(["ohlc-aggregator"])["ohlc-aggregator"].result(10)
print(sum(bool(member.assignment.topic_partitions) for member in group.members))
"""


@pytest.fixture(scope="module")
def stack(new_stack: StartStack) -> ComposeStack:
    stack = new_stack("docker-compose.yml", "docker-compose.simulator.yml", **market())
    stack.up("--scale", "ohlc-aggregator=3")
    return stack


@pytest.fixture(scope="module")
def simulator(stack: ComposeStack) -> Iterator[Simulator]:
    simulator = Simulator(stack)
    yield simulator
    simulator.close()


def _members(stack: ComposeStack) -> int:
    answer = stack.compose("exec", "-T", "feature-writer", "python", "-c", _MEMBERS)
    return int(answer)


@pytest.mark.timeout(600)
def test_three_aggregators_share_the_work_and_the_last_one_finishes_it(
    stack: ComposeStack, simulator: Simulator
) -> None:
    wait_until(lambda: _members(stack) == 3, 60, "three aggregators have partitions", every=0.5)
    shared = wait_for_all_candles_until_now(stack, simulator)

    stack.kill_all_but_one("ohlc-aggregator")

    wait_until(lambda: _members(stack) == 1, 60, "the last one has all partitions", every=0.5)
    finished = wait_for_all_candles_until_now(stack, simulator)
    assert len(finished) > len(shared) > 0


@pytest.mark.timeout(400)
def test_a_killed_broker_comes_back_with_all_it_had(
    stack: ComposeStack, simulator: Simulator
) -> None:
    with stack.killed("redpanda"):
        down_at = simulator.clock_ms()
        wait_until(lambda: simulator.clock_ms() > down_at + SETTLED_MS, 30, "trades went on")

    wait_for_all_candles_until_now(stack, simulator)


@pytest.mark.timeout(400)
def test_backfill_beside_live_fills_what_is_missing(
    stack: ComposeStack, simulator: Simulator
) -> None:
    until_ms = simulator.clock_ms()
    known = exchange_candles(simulator, until_ms)
    stack.forget_rows_before(until_ms)

    stack.compose(
        "--profile", "backfill", "up", "-d", "--no-build", "--no-recreate", "--no-deps",
        "backfill-replayer", "backfill-aggregator", "backfill-writer",
    )  # fmt: skip

    # What was in the air when history was deleted, live stores by itself.
    wait_until_equal(
        lambda: stored_candles(stack.rows(), until_ms), known, 180, "candles backfilled"
    )
    wait_for_all_candles_until_now(stack, simulator)
