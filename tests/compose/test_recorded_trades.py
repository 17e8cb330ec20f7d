"""Kraken's recorded trades, through containers that are hurt on the way, give its own candles."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

import pytest

from ohlc_features.schema import FeatureRow
from support.compose import ComposeError, ComposeStack, Simulator, StartStack, wait_until_equal
from support.recorded import RECORDED_MARKET, Official, as_official
from support.wait import wait_until

#: How far the market moves at each step, in seconds; nine steps pass the recording's end.
STEP = 1_500

Harm = Callable[[ComposeStack], AbstractContextManager[None]]


def _crash(service: str) -> Harm:
    def harm(stack: ComposeStack) -> AbstractContextManager[None]:
        stack.crash(service)
        return nullcontext()

    return harm


HARMS: dict[str, Harm] = {
    "nothing is wrong": lambda _: nullcontext(),
    "the producer is killed and restarted by Docker": _crash("trade-producer"),
    "the aggregator is killed and restarted by Docker": _crash("ohlc-aggregator"),
    "the writer is killed and restarted by Docker": _crash("feature-writer"),
    "the producer is cut off": lambda stack: stack.partitioned("trade-producer"),
    "the aggregator is cut off": lambda stack: stack.partitioned("ohlc-aggregator"),
    "the broker is frozen": lambda stack: stack.paused("redpanda"),
    "the broker is cut off": lambda stack: stack.partitioned("redpanda"),
    "the broker is killed": lambda stack: stack.killed("redpanda"),
}


@pytest.fixture(scope="module")
def stack(new_stack: StartStack, official: Official) -> ComposeStack:
    stack = new_stack(
        "docker-compose.yml",
        "docker-compose.simulator.yml",
        **RECORDED_MARKET,
        OHLC_INTERVALS="1m,1h",
        START_FROM="2025-11-10",
        CONNECT_BACKOFF_SECONDS="0.5",
        REST_INTERVAL_SECONDS="0.1",
        FROM_DAY="2025-11-10",
        TO_DAY="2025-11-11",
    )
    stack.up()
    return stack


@pytest.fixture(scope="module")
def simulator(stack: ComposeStack) -> Iterator[Simulator]:
    simulator = Simulator(stack)
    yield simulator
    simulator.close()


@pytest.mark.timeout(900)
def test_official_candles_are_found_whatever_happens_to_the_containers(
    stack: ComposeStack, simulator: Simulator, official: Official
) -> None:
    wait_until(lambda: not simulator.state()["held"], 60, "the producer subscribed")
    for what, harm in HARMS.items():
        with harm(stack):
            simulator.advance(STEP)
        clock_ms = simulator.clock_ms()
        due = {start: row for start, row in official.items() if start + 65_000 < clock_ms}
        wait_until_equal(
            lambda due=due: as_official(stack.rows(), due),  # type: ignore[misc]
            due,
            180,
            f"{len(due)} official candles in the store after: {what}",
        )
    assert simulator.state()["exhausted"]
    assert as_official(stack.rows(), official) == official


def test_features_are_read_from_the_host(stack: ComposeStack) -> None:
    text = stack.compose("exec", "-T", "dashboard", "features", "candles", "--format", "csv")
    traded = [row for row in csv.DictReader(io.StringIO(text)) if row["trade_count"] != "0"]
    stored = [row for row in stack.rows() if row.candle_interval == "1m" and row.trade_count]
    assert [(row["close"], row["trade_count"]) for row in traded] == [
        (str(row.close), str(row.trade_count)) for row in stored
    ]


def test_features_command_without_its_libraries_says_where_they_are(stack: ComposeStack) -> None:
    with pytest.raises(ComposeError) as error:
        stack.compose("exec", "-T", "feature-writer", "features", "latest")
    assert "features: polars is not installed here" in str(error.value)
    assert "exec dashboard features" in str(error.value)
    assert "Traceback" not in str(error.value)


_RESOLVED = """
import socket, sys
for name in sys.argv[1:]:
    try:
        socket.getaddrinfo(name, 9092)
    except OSError:
        continue
    print(name)
"""


def test_producer_reaches_broker_and_exchange_but_no_store(stack: ComposeStack) -> None:
    names = ("redpanda", "exchange-simulator", "feature-writer", "ohlc-aggregator")
    found = stack.compose("exec", "-T", "trade-producer", "python", "-c", _RESOLVED, *names)
    assert found.split() == ["redpanda", "exchange-simulator"]


@pytest.mark.timeout(400)
def test_backfill_profile_brings_the_same_rows_back_while_live_runs(
    stack: ComposeStack, official: Official
) -> None:
    live = _until_last_trade(stack.rows())
    tomorrow = int(datetime(2025, 11, 11, tzinfo=UTC).timestamp() * 1_000)
    stack.forget_rows_before(tomorrow)
    assert _until_last_trade(stack.rows()) == []

    stack.compose("--profile", "backfill", "up", "-d", "--no-build", "--no-recreate")

    wait_until(
        lambda: _until_last_trade(stack.rows()) == live,
        180,
        f"{len(live)} rows as they were",
        every=0.5,
    )
    stack.wait_healthy("trade-producer", "ohlc-aggregator", "feature-writer")


def _until_last_trade(rows: list[FeatureRow]) -> list[FeatureRow]:
    """Return the minutes up to the last traded one; live goes on to store empty ones after it."""
    traded = [row.window_start for row in rows if row.candle_interval == "1m" and row.trade_count]
    return [
        row._replace(origin="", stored_at=0)
        for row in rows
        if row.candle_interval == "1m" and row.window_start <= max(traded, default=0)
    ]
