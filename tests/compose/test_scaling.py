"""Three aggregators share a made-up market, two die, the broker too, and history is replayed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ohlc_features.columns import FeatureRow
from support.compose import ComposeStack, Simulator, StartStack, wait_until_equal
from support.wait import wait_until

PAIRS = {"BTC/USD": "XBTUSD", "ETH/USD": "ETHUSD", "SOL/USD": "SOLUSD", "XRP/USD": "XRPUSD"}
MINUTE_MS = 60_000
#: A window is asked for once this much market time has passed after its end: at the market's
#: sixty-fold speed, two real seconds.
SETTLED_MS = 2 * MINUTE_MS

Candles = dict[tuple[str, int], tuple[float, float, float, float, float, int]]

_MEMBERS = """
from confluent_kafka.admin import AdminClient
import os
admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BROKER_ADDRESS"]})
group = admin.describe_consumer_groups(["ohlc-aggregator"])["ohlc-aggregator"].result(10)
print(sum(bool(member.assignment.topic_partitions) for member in group.members))
"""


def _yesterday() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def _exchange_candles(simulator: Simulator, until_ms: int) -> Candles:
    """Return the exchange's own candles of every traded minute from START_FROM to ``until_ms``."""
    from_s = _yesterday().timestamp()
    return {
        (product, start * 1_000): (*(float(text) for text in (*prices, volume)), count)
        for product, pair in PAIRS.items()
        for start, *prices, _vwap, volume, count in simulator.ohlc(pair)
        if count and start >= from_s and start * 1_000 + MINUTE_MS <= until_ms
    }


def _stored_candles(rows: list[FeatureRow], until_ms: int) -> Candles:
    return {
        (row.product_id, row.window_start): (
            *(row.open, row.high, row.low, row.close),
            row.volume,
            row.trade_count,
        )
        for row in rows
        if row.candle_interval == "1m" and row.window_end <= until_ms
    }


@pytest.fixture(scope="module")
def stack(new_stack: StartStack) -> ComposeStack:
    start = _yesterday()
    stack = new_stack(
        "docker-compose.yml",
        "docker-compose.simulator.yml",
        PRODUCT_IDS=",".join(PAIRS),
        OHLC_INTERVALS="1m",
        SIMULATOR_START=start.isoformat(),
        SIMULATOR_HISTORY="30m",
        SIMULATOR_SPEED="60",
        SIMULATOR_RATE="1",
        START_FROM=start.isoformat(),
        CONNECT_BACKOFF_SECONDS="0.5",
        REST_INTERVAL_SECONDS="0.1",
        FROM_DAY=f"{start:%Y-%m-%d}",
    )
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


def _wait_for_all_candles_until_now(stack: ComposeStack, simulator: Simulator) -> Candles:
    until_ms = simulator.clock_ms()
    wait_until(lambda: simulator.clock_ms() > until_ms + SETTLED_MS, 30, "market time passed")
    expected = _exchange_candles(simulator, until_ms)
    wait_until_equal(
        lambda: _stored_candles(stack.rows(), until_ms),
        expected,
        180,
        f"{len(expected)} of the exchange's candles",
    )
    return expected


@pytest.mark.timeout(600)
def test_three_aggregators_share_the_work_and_the_last_one_finishes_it(
    stack: ComposeStack, simulator: Simulator
) -> None:
    wait_until(lambda: _members(stack) == 3, 60, "three aggregators have partitions", every=0.5)
    shared = _wait_for_all_candles_until_now(stack, simulator)

    stack.kill_all_but_one("ohlc-aggregator")

    wait_until(lambda: _members(stack) == 1, 60, "the last one has all partitions", every=0.5)
    finished = _wait_for_all_candles_until_now(stack, simulator)
    assert len(finished) > len(shared) > 0


@pytest.mark.timeout(400)
def test_a_killed_broker_comes_back_with_all_it_had(
    stack: ComposeStack, simulator: Simulator
) -> None:
    with stack.killed("redpanda"):
        down_at = simulator.clock_ms()
        wait_until(lambda: simulator.clock_ms() > down_at + SETTLED_MS, 30, "trades went on")

    _wait_for_all_candles_until_now(stack, simulator)


@pytest.mark.timeout(400)
def test_backfill_beside_live_fills_what_is_missing(
    stack: ComposeStack, simulator: Simulator
) -> None:
    until_ms = simulator.clock_ms()
    known = _exchange_candles(simulator, until_ms)
    stack.forget_rows_before(until_ms)

    stack.compose(
        "--profile", "backfill", "up", "-d", "--no-build", "--no-recreate", "--no-deps",
        "backfill-replayer", "backfill-aggregator", "backfill-writer",
    )  # fmt: skip

    # What was in the air when history was deleted, live stores by itself.
    wait_until_equal(
        lambda: _stored_candles(stack.rows(), until_ms), known, 180, "candles backfilled"
    )
    _wait_for_all_candles_until_now(stack, simulator)
