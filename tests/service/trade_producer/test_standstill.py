"""A producer asked to stop does so in time, whatever its broker does."""

import signal
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from local_stack.brokers import LocalBroker
from ohlc_core.messages.topics import TopicNames
from support.kafka import OwnBroker, read_topic
from support.processes import Processes
from support.simulator import Simulator, start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.service


def create(broker: LocalBroker, topic: str, config: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_topics([NewTopic(topic, 4, 1, config=config)]).values():
        future.result(30)


def _settings(simulator: Simulator, broker: LocalBroker, topics: TopicNames) -> dict[str, str]:
    return {
        "EXCHANGE_WS_URL": simulator.ws_url,
        "EXCHANGE_REST_URL": simulator.rest_url,
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": topics.run_id,
        "PRODUCT_IDS": "BTC/USD",
        "REST_INTERVAL_SECONDS": "0.02",
    }


def test_record_too_large_for_the_broker_ends_the_producer_naming_the_setting(
    broker: LocalBroker, unique_topics: TopicNames, processes: Processes
) -> None:
    create(broker, unique_topics.trades, {"max.message.bytes": "100"})
    with start_simulator(
        product_ids=("BTC/USD",), simulator_rate=50, simulator_history="1m"
    ) as simulator:
        producer = processes(
            "trade-producer",
            _settings(simulator, broker, unique_topics),
        )
        assert producer.wait(30.0) == 1, producer.log()
    (line,) = [line for line in producer.log().splitlines() if "ERROR" in line]
    assert "message.max.bytes" in line


def test_producer_stops_in_time_while_the_broker_stands_still(
    own_broker: OwnBroker, unique_topics: TopicNames, processes: Processes
) -> None:
    broker = own_broker()
    with start_simulator(
        product_ids=("BTC/USD",), simulator_rate=50, simulator_history="1m"
    ) as simulator:
        producer = processes(
            "trade-producer",
            _settings(simulator, broker, unique_topics),
        )
        simulator.control.wait_subscribed("BTC/USD")
        topic = unique_topics.trades
        wait_until(lambda: read_topic(broker.address, topic), 30.0, "the first append")
        broker.pause()
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 50, 30.0)
        began = time.monotonic()
        producer.signal(signal.SIGTERM)
        assert producer.wait(20.0) == 1, producer.log()
        assert time.monotonic() - began < 9.0
        broker.resume()
    assert "not acknowledged" in producer.log()
