"""A producer asked to stop does so in time, whatever its broker does."""

import signal
import time

import pytest

from ohlc_core.messages.topics import TopicNames
from support.kafka import OwnBroker
from support.processes import Processes
from support.simulator import start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.service


def test_producer_stops_in_time_while_the_broker_stands_still(
    own_broker: OwnBroker, unique_topics: TopicNames, processes: Processes
) -> None:
    broker = own_broker()
    with start_simulator(
        product_ids=("BTC/USD",), simulator_rate=50, simulator_history="1m"
    ) as simulator:
        producer = processes(
            "trade-producer",
            {
                "EXCHANGE_WS_URL": simulator.ws_url,
                "EXCHANGE_REST_URL": simulator.rest_url,
                "KAFKA_BROKER_ADDRESS": broker.address,
                "RUN_ID": unique_topics.run_id,
                "PRODUCT_IDS": "BTC/USD",
                "REST_INTERVAL_SECONDS": "0.02",
            },
        )
        simulator.control.wait_subscribed("BTC/USD")
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 50, 30.0)
        broker.pause()
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 50, 30.0)
        began = time.monotonic()
        producer.signal(signal.SIGTERM)
        assert producer.wait(20.0) == 1, producer.log()
        assert time.monotonic() - began < 9.0
        broker.resume()
    assert "not acknowledged" in producer.log()
