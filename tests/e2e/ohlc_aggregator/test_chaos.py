"""Killed at random, the aggregator's candles stay exactly those of an undisturbed one.

CHAOS_KILLS sets how many kills a run has, CHAOS_SEED repeats one.
"""

import os
import random
from collections import defaultdict
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.domain.trade import Trade
from ohlc_core.messages.codec import decode_candle, decode_trades_topic
from ohlc_core.messages.records import TradesMessage
from ohlc_core.messages.topics import TopicNames
from support.aggregator_chaos import (
    INTERVALS,
    Feed,
    Herd,
    HurtfulMarket,
    Keyed,
    expected_candles,
    pause_a_moment,
)
from support.candles import as_batch_row, batch_candles, newest
from support.kafka import OwnBroker, create_topics, read_topic
from support.processes import Processes
from support.wait import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3_000)]

KILLS = int(os.environ.get("CHAOS_KILLS", "6"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))


def disturb(herd: Herd, broker: LocalBroker, rng: random.Random, kills: int) -> None:
    """Kill, lose state, scale from one to three and back, restart the broker; seeded."""
    herd.start(0)
    while herd.kills < kills:
        pause_a_moment(rng, 8.0)
        herd.revive()
        members = sorted(herd.running)
        blow = rng.choice(("kill", "kill", "kill", "lose", "grow", "shrink", "broker"))
        if blow == "grow" and len(members) < 3:
            herd.start(min({0, 1, 2} - set(members)))
        elif blow == "shrink" and len(members) > 1:
            herd.stop(members[-1])
        elif blow == "broker" and herd.kills and herd.kills % 5 == 0:
            broker.restart()
        else:
            number = rng.choice(members)
            herd.kill(number, lose_state=blow == "lose")
            herd.start(number)
    herd.revive()


def candles_by_key(broker: LocalBroker, topic: str) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for record in read_topic(broker.address, topic):
        found[(record.key or b"").decode()].append(record.value or b"")
    return found


def assert_newest_equal_the_batch(records: list[Keyed], found: dict[str, list[bytes]]) -> None:
    """Compare with DuckDB, which knows nothing of our candle rules' code."""
    trades: dict[str, dict[str, Trade]] = defaultdict(dict)
    for key, value in records:
        message = decode_trades_topic(value)
        if isinstance(message, TradesMessage):
            trades[key] |= {each.trade_id: each for each in message.trades}
    for key, by_id in trades.items():
        candles = newest(decode_candle(value) for value in found[key])
        for interval in INTERVALS:
            batch = batch_candles(list(by_id.values()), interval)
            mine = {start: c for (text, start), c in candles.items() if text == interval}
            assert mine.keys() == batch.keys(), (key, interval)
            for start, row in batch.items():
                assert as_batch_row(mine[start]) == row[:5] + row[6:], (key, interval, start)


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
def test_kills_rebalances_and_restarts_change_no_candle(
    own_broker: OwnBroker,
    processes: Processes,
    unique_topics: TopicNames,
    tmp_path: Path,
    guarantee: str,
) -> None:
    broker = own_broker()
    names = unique_topics
    create_topics(broker.address, names.trades, names.ohlc, names.trades_dlq)
    market = HurtfulMarket(SEED, products=6)
    herd = Herd(broker, names, processes, tmp_path, guarantee)
    with Feed(broker, names.trades, market):
        disturb(herd, broker, random.Random(SEED), KILLS)
    expected = expected_candles(market.records)
    wanted = {key: set(values) for key, values in expected.items()}

    def all_there() -> bool:
        herd.revive()
        found = candles_by_key(broker, names.ohlc)
        return all(values <= set(found[key]) for key, values in wanted.items())

    wait_until(all_there, 180, "every candle and revision on the ohlc topic")
    found = candles_by_key(broker, names.ohlc)
    print(  # noqa: T201 - what a long run did
        f"{guarantee}: {herd.kills} kills, {len(market.records)} records, "
        f"{sum(map(len, expected.values()))} candles expected, "
        f"{sum(map(len, found.values()))} on the topic"
    )
    assert {key: set(values) for key, values in found.items()} == wanted
    if guarantee == "exactly-once":
        assert {key: sorted(values) for key, values in found.items()} == {
            key: sorted(values) for key, values in expected.items()
        }
    assert_newest_equal_the_batch(market.records, found)
