"""Records that the topic no longer holds when the aggregator comes to read them."""

import json
import re
import urllib.request

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from local_stack.brokers import LocalBroker
from ohlc_core.domain.candle import Candle
from ohlc_core.domain.trade import ProductKey
from ohlc_core.messages.codec import decode_candle, encode, encode_trades
from ohlc_core.messages.records import StartMessage, WatermarkMessage
from ohlc_core.messages.topics import TopicNames
from support.candles import HOUR, KEY, MINUTE, SECOND, T0, newest, trade
from support.consumer_groups import wait_for_no_lag
from support.kafka import create_topics, produce, read_topic
from support.processes import Processes
from support.wait import wait_until

pytestmark = pytest.mark.service
QUIET = ProductKey("kraken", "ETH/USD")


def trades_record(key: ProductKey, *trades: object) -> tuple[str, bytes]:
    return str(key), encode_trades(*key, "websocket", trades)  # type: ignore[arg-type]


def candles(broker: LocalBroker, names: TopicNames, key: ProductKey) -> list[Candle]:
    records = read_topic(broker.address, names.ohlc)
    found = [decode_candle(r.value or b"") for r in records if r.key == str(key).encode()]
    return list(newest(found).values())


def remove(broker: LocalBroker, topic: str) -> None:
    """Remove every record that the topic holds now."""
    admin = AdminClient({"bootstrap.servers": broker.address})
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    ends = [TopicPartition(topic, partition, -1) for partition in partitions]
    for future in admin.delete_records(ends).values():
        future.result(10)


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
def test_windows_of_removed_records_are_never_complete(
    broker: LocalBroker,
    unique_topics: TopicNames,
    unique_run_id: str,
    processes: Processes,
    guarantee: str,
) -> None:
    names = unique_topics
    create_topics(broker.address, names.trades, names.ohlc, names.trades_dlq, partitions=1)
    env = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": unique_run_id,
        "OHLC_INTERVALS": "1m",
        "COMMIT_INTERVAL_SECONDS": "0.2",
        "PROCESSING_GUARANTEE": guarantee,
        "METRICS_PORT": "0",
    }
    produce(
        broker.address,
        names.trades,
        [
            *((str(key), encode(StartMessage(*key, T0))) for key in (KEY, QUIET)),
            trades_record(QUIET, trade(1, T0 + 30 * SECOND)),
            trades_record(KEY, trade(1, T0 + 5 * SECOND)),
            trades_record(KEY, trade(2, T0 + 2 * MINUTE)),
            (str(QUIET), encode(WatermarkMessage(*QUIET, T0 + 2 * MINUTE))),
        ],
    )
    process = processes("ohlc-aggregator", env)
    wait_for_no_lag(broker.address, names.aggregator_group, names.trades)
    assert process.stop(30) == 0
    produce(broker.address, names.trades, [trades_record(KEY, trade(3, T0 + 3 * MINUTE))])
    remove(broker, names.trades)
    produce(
        broker.address,
        names.trades,
        [
            trades_record(KEY, trade(5, T0 + 4 * MINUTE + SECOND)),
            trades_record(KEY, trade(6, T0 + 6 * MINUTE)),
        ],
    )
    process = processes("ohlc-aggregator", env)
    wait_for_no_lag(broker.address, names.aggregator_group, names.trades)
    process.kill()
    produce(
        broker.address,
        names.trades,
        [
            trades_record(QUIET, trade(3, T0 + 5 * MINUTE)),
            *(
                (str(key), encode(WatermarkMessage(*key, T0 + HOUR // 6, final=True)))
                for key in (KEY, QUIET)
            ),
        ],
    )
    process = processes("ohlc-aggregator", env)
    wait_until(lambda: len(candles(broker, names, QUIET)) == 10, 60, "the quiet product's candles")
    wait_until(lambda: len(candles(broker, names, KEY)) == 10, 60, "the busy product's candles")
    assert [c.complete for c in candles(broker, names, KEY)] == [True, True] + [False] * 3 + [
        True
    ] * 5
    assert [c.complete for c in candles(broker, names, QUIET)] == [False] * 6 + [True] * 4
    assert process.stop(30) == 0


def test_removed_records_are_reported_with_the_command_that_repairs_them(
    broker: LocalBroker, unique_topics: TopicNames, unique_run_id: str, processes: Processes
) -> None:
    names = unique_topics
    create_topics(broker.address, names.trades, names.ohlc, names.trades_dlq, partitions=1)
    env = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": unique_run_id,
        "OHLC_INTERVALS": "1m",
        "COMMIT_INTERVAL_SECONDS": "0.2",
        "METRICS_PORT": "0",
    }
    produce(broker.address, names.trades, [trades_record(KEY, trade(1, T0))])
    process = processes("ohlc-aggregator", env)
    wait_for_no_lag(broker.address, names.aggregator_group, names.trades)
    assert process.stop(30) == 0
    produce(broker.address, names.trades, [trades_record(KEY, trade(2, T0))] * 3)
    remove(broker, names.trades)
    behind = [trades_record(KEY, trade(5, T0 + MINUTE))]
    produce(broker.address, names.trades, behind, (T0 + MINUTE) // 1_000)
    process = processes("ohlc-aggregator", env)
    wait_for_no_lag(broker.address, names.aggregator_group, names.trades)
    line = process.wait_for_log("were removed before they were read")
    assert f"offsets 1 to 3 of {names.trades} [0]" in line
    assert "from_day=2026-09-22 to_day=2026-09-23 make backfill" in line
    (url,) = re.findall(r"http://\S+", process.wait_for_log("metrics and health at"))
    with urllib.request.urlopen(f"{url}status", timeout=5) as answer:
        (removed,) = json.load(answer)["progress"]["removed"]
    assert (removed["first_offset"], removed["last_offset"]) == (1, 3)
    assert process.stop(30) == 0
