"""What an exchange may do wrong: each scenario ends with the true trades exact in the topic."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.messages.codec import decode_trades_topic
from ohlc_core.messages.records import (
    GapMessage,
    StartMessage,
    TradesMessage,
    TradesTopicMessage,
    WatermarkMessage,
)
from ohlc_core.messages.topics import TopicNames
from support.kafka import read_topic
from support.processes import Processes, Script
from support.scripted_exchange import PRODUCT, Row, ScriptedExchange, scripted_exchange
from support.wait import wait_until

pytestmark = pytest.mark.service

S = 1_000_000
ABSURD = 5_000_000_000_000_000


class World:
    """A producer, its exchange and its topic."""

    def __init__(
        self, exchange: ScriptedExchange, broker: LocalBroker, topics: TopicNames, start: Any
    ) -> None:
        self.exchange = exchange
        self.begun_us = time.time_ns() // 1_000 // S * S
        self._broker = broker
        self._topics = topics
        self._start = start

    def rows(self, first_id: int, count: int, after_seconds: float) -> list[Row]:
        """Return trades a tenth of a second apart."""
        begin = self.begun_us + int(after_seconds * S)
        return [Row(first_id + i, begin + i * S // 10) for i in range(count)]

    def producer(self, **more: str) -> Script:
        env = {
            **self.exchange.env,
            "KAFKA_BROKER_ADDRESS": self._broker.address,
            "RUN_ID": self._topics.run_id,
            "PRODUCT_IDS": PRODUCT,
            "OHLC_INTERVALS": "1s",
            "REST_INTERVAL_SECONDS": "0.02",
            "CONNECT_BACKOFF_SECONDS": "0.1",
            "TAKEOVER_SECONDS": "0.2",
            "START_FROM": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.begun_us // S)),
            "MAX_GAP_WAIT_SECONDS": "2",
            "METRICS_PORT": "0",
            **more,
        }
        producer: Script = self._start("trade-producer", env)
        self.exchange.wait_subscribed()
        return producer

    def messages(self) -> list[TradesTopicMessage]:
        records = read_topic(self._broker.address, self._topics.trades)
        return [decode_trades_topic(record.value or b"") for record in records]

    def ids(self) -> list[int]:
        return [
            int(trade.trade_id)
            for message in self.messages()
            if isinstance(message, TradesMessage)
            for trade in message.trades
        ]

    def of(self, kind: type[TradesTopicMessage]) -> list[Any]:
        return [message for message in self.messages() if isinstance(message, kind)]

    def wait_for(self, ids: list[int]) -> None:
        wait_until(lambda: set(self.ids()) >= set(ids), 40.0, f"trades {ids}", every=0.2)
        assert self.ids() == ids


@pytest.fixture
def world(broker: LocalBroker, unique_topics: TopicNames, processes: Processes) -> Iterator[World]:
    with scripted_exchange() as exchange:
        yield World(exchange, broker, unique_topics, processes)


def test_absurd_id_in_the_snapshot_loses_no_trade(world: World) -> None:
    first, later = world.rows(101, 3, 0.2), world.rows(104, 3, 2.5)
    before = world.rows(91, 10, -5.0)
    world.exchange.history = before + first
    world.exchange.snapshot = [*first[:2], Row(ABSURD, first[1].time_us), first[2]]
    producer = world.producer()
    world.wait_for([101, 102, 103])
    world.exchange.history += later
    world.exchange.trades(*later)
    world.wait_for([101, 102, 103, 104, 105, 106])
    assert producer.stop() == 0, producer.log()
    assert world.of(GapMessage) == []


def test_ids_that_begin_again_are_a_start_and_go_on(world: World) -> None:
    old, new = world.rows(501, 3, 0.1), world.rows(1, 4, 3.0)
    world.exchange.history = world.rows(491, 10, -5.0) + old
    world.exchange.snapshot = world.exchange.history[-5:]
    producer = world.producer()
    world.wait_for([501, 502, 503])
    world.exchange.history = new[:3]
    world.exchange.trades(*new[:3])
    producer.wait_for_log("began its ids again", 30.0)
    world.exchange.history = new
    world.exchange.trades(new[3])
    world.wait_for([501, 502, 503, 1, 2, 3, 4])
    assert [start.from_us for start in world.of(StartMessage)][1:] == [new[0].time_us]
    assert producer.stop() == 0, producer.log()


def test_id_jump_of_millions_is_a_gap_and_goes_on(world: World) -> None:
    old, far = world.rows(501, 3, 0.1), world.rows(3_000_501, 3, 1.0)
    world.exchange.history = world.rows(491, 10, -5.0) + old
    world.exchange.snapshot = world.exchange.history[-5:]
    producer = world.producer()
    world.wait_for([501, 502, 503])
    world.exchange.history += far
    for row in far:
        world.exchange.trades(row)
    world.wait_for([501, 502, 503, 3_000_501, 3_000_502, 3_000_503])
    (gap,) = world.of(GapMessage)
    assert (gap.first_missing_id, gap.last_missing_id) == ("504", "3000500")
    assert producer.stop() == 0, producer.log()


def test_pong_from_the_year_9000_makes_no_watermark(world: World) -> None:
    rows = world.rows(501, 3, 0.1)
    world.exchange.history = world.rows(491, 10, -5.0) + rows
    world.exchange.snapshot = world.exchange.history[-5:]
    world.exchange.pong_time = "9000-01-01T00:00:00.000000Z"
    producer = world.producer()
    world.wait_for([501, 502, 503])
    world.exchange.send({"channel": "heartbeat"})
    world.exchange.pong_time = ""
    wait_until(lambda: world.of(WatermarkMessage), 20.0, "a watermark by the true time")
    now_us = time.time_ns() // 1_000
    assert all(mark.watermark_us < now_us for mark in world.of(WatermarkMessage))
    assert producer.stop() == 0, producer.log()


def test_stream_of_which_nothing_is_understood_is_unhealthy_and_fills_from_history(
    world: World,
) -> None:
    rows = world.rows(501, 3, 0.1)
    world.exchange.history = world.rows(491, 10, -5.0) + rows
    world.exchange.snapshot = world.exchange.history[-5:]
    producer = world.producer()
    line = producer.wait_for_log("metrics and health at")
    address = line[line.index("http://") :].strip()
    world.wait_for([501, 502, 503])
    more = world.rows(504, 40, 1.0)
    world.exchange.history += more

    def flooded() -> str | None:
        for row in more:
            world.exchange.trades(row.live(timestamp="1790000000000000"))
        health = httpx.get(address + "health", trust_env=False)
        return health.text if health.status_code == 503 else None

    unhealthy = wait_until(flooded, 30.0, "an unhealthy stream", every=0.2)
    status = httpx.get(address + "status", trust_env=False).text
    assert "is understood" in status, (status, unhealthy)
    world.wait_for([row.trade_id for row in rows + more])
    assert producer.log().count("malformed frame:") == 1
    assert producer.stop() == 0, producer.log()


def test_product_delisted_while_live_leaves_the_others_alone(world: World) -> None:
    rows = world.rows(501, 3, 0.1)
    world.exchange.history = world.rows(491, 10, -5.0) + rows
    world.exchange.snapshot = world.exchange.history[-5:]
    producer = world.producer(PRODUCT_IDS=f"{PRODUCT},ETH/USD")
    world.wait_for([501, 502, 503])
    world.exchange.delisted = {"ETH/USD"}
    more = world.rows(504, 3, 2.0)
    world.exchange.history += more
    world.exchange.snapshot = more
    world.exchange.drop()
    producer.wait_for_log("ETH/USD: refused by the exchange", 30.0)
    world.wait_for([501, 502, 503, 504, 505, 506])
    assert producer.stop() == 0, producer.log()
    assert producer.log().count("refused by the exchange") == 1
