"""The trade producer as a process, against the simulated exchange and a real broker."""

import json
import signal
from typing import Any

import httpx
import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.messages.codec import decode_dead_letter, decode_trades_topic
from ohlc_core.messages.records import StartMessage, TradesTopicMessage, WatermarkMessage
from ohlc_core.messages.topics import TopicNames
from ohlc_exchanges.registry import EXCHANGES
from support.kafka import OwnBroker, read_topic
from support.processes import Processes, Script
from support.simulator import Simulator, start_simulator
from support.trades_topic import read_trades
from support.wait import wait_until

pytestmark = pytest.mark.service

PRODUCTS = ("BTC/USD", "ETH/USD")


def settings(broker: LocalBroker, simulator: Simulator, run_id: str, **more: str) -> dict[str, str]:
    return {
        "EXCHANGE_WS_URL": simulator.ws_url,
        "EXCHANGE_REST_URL": simulator.rest_url,
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": run_id,
        "PRODUCT_IDS": ",".join(PRODUCTS),
        "OHLC_INTERVALS": "1s,10s",
        "REST_INTERVAL_SECONDS": "0.02",
        "CONNECT_BACKOFF_SECONDS": "0.1",
        "TAKEOVER_SECONDS": "0.2",
        **more,
    }


def messages(broker: LocalBroker, topic: str, product: str) -> list[TradesTopicMessage]:
    decoded = [
        decode_trades_topic(record.value or b"") for record in read_topic(broker.address, topic)
    ]
    return [message for message in decoded if message.product_id == product]


def wait_for_newest(
    broker: LocalBroker, topic: str, simulator: Simulator, producer: Script
) -> dict[str, list[int]]:
    """Pause the market, wait until the topic has its newest trades, return the topic's ids."""
    simulator.control.pause()

    def complete() -> dict[str, list[int]] | None:
        assert producer.is_running, producer.log()
        ids = read_trades(read_topic(broker.address, topic)).ids
        newest = {product: max(simulator.control.ids(product)) for product in PRODUCTS}
        return ids if all(last in ids.get(p, []) for p, last in newest.items()) else None

    found = wait_until(complete, 60.0, "the topic has the exchange's newest trades", every=0.2)
    assert found is not None
    return found


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_trades_of_each_exchange_arrive_whole_across_a_lost_connection(
    exchange: str,
    broker: LocalBroker,
    unique_run_id: str,
    unique_topics: TopicNames,
    processes: Processes,
) -> None:
    with start_simulator(
        exchange=exchange, product_ids=PRODUCTS, simulator_rate=60, simulator_history="2m"
    ) as simulator:
        env = settings(broker, simulator, unique_run_id, EXCHANGE=exchange)
        producer = processes("trade-producer", env)
        simulator.control.wait_subscribed("ETH/USD")
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 60, 30.0)
        simulator.control.order({"fault": "drop", "when": "now"})
        wait_until(lambda: simulator.control.state()["connections_ever"] >= 2, 30.0, "reconnect")
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 60, 30.0)
        ids = wait_for_newest(broker, unique_topics.trades, simulator, producer)
        assert producer.stop() == 0, producer.log()
        for product in PRODUCTS:
            start = messages(broker, unique_topics.trades, product)[0]
            assert isinstance(start, StartMessage)
            assert ids[product] == [
                trade["trade_id"]
                for trade in simulator.control.trades(product)
                if trade["time_ns"] >= start.from_us * 1_000
            ]


def test_watermarks_close_windows_of_quiet_product_and_never_run_ahead(
    broker: LocalBroker, unique_run_id: str, unique_topics: TopicNames, processes: Processes
) -> None:
    with start_simulator(
        product_ids=("BTC/USD", "LTC/USD"), simulator_rate=10, simulator_history="10m"
    ) as simulator:
        env = settings(broker, simulator, unique_run_id, OHLC_INTERVALS="1s", GRACE_MS="300")
        producer = processes("trade-producer", {**env, "PRODUCT_IDS": "BTC/USD,LTC/USD"})

        def watermarks() -> list[int]:
            return [
                message.watermark_us
                for message in messages(broker, unique_topics.trades, "LTC/USD")
                if isinstance(message, WatermarkMessage)
            ]

        wait_until(watermarks, 30.0, "a first watermark")
        now_us = simulator.control.state()["clock_ns"] // 1_000
        end_us = now_us - now_us % 1_000_000 + 300_000
        wait_until(lambda: max(watermarks()) >= end_us, 20.0, "a watermark past end and grace")
        assert producer.stop() == 0, producer.log()
        found = watermarks()
        assert found == sorted(set(found))
        assert all(each % 1_000_000 == 300_000 for each in found)
        assert max(found) <= simulator.control.state()["clock_ns"] // 1_000


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_unknown_product_ends_the_start_with_the_reason(
    exchange: str, broker: LocalBroker, unique_run_id: str, processes: Processes
) -> None:
    with start_simulator(exchange=exchange, product_ids=PRODUCTS) as simulator:
        env = settings(broker, simulator, unique_run_id, EXCHANGE=exchange)
        producer = processes("trade-producer", {**env, "PRODUCT_IDS": "BTC/USD,NOPE/EUR"})
        assert producer.wait(30.0) == 2, producer.log()
        line = producer.log().splitlines()[-1]
        assert "PRODUCT_IDS" in line
        assert exchange in line
        assert "NOPE" in line


def test_malformed_frames_become_dead_letters_and_lose_no_trade(
    broker: LocalBroker, unique_run_id: str, unique_topics: TopicNames, processes: Processes
) -> None:
    with start_simulator(
        product_ids=PRODUCTS, simulator_rate=60, simulator_history="1m"
    ) as simulator:
        producer = processes("trade-producer", settings(broker, simulator, unique_run_id))
        simulator.control.wait_subscribed("ETH/USD")
        simulator.control.order(
            {"fault": "garbage", "kind": "not_json"},
            {"fault": "garbage", "kind": "binary"},
            {"fault": "garbage", "kind": "malformed_row"},
        )
        wait_until(
            lambda: len(read_topic(broker.address, unique_topics.trades_dlq)) >= 3,
            30.0,
            "three dead letters",
        )
        ids = wait_for_newest(broker, unique_topics.trades, simulator, producer)
        assert producer.stop() == 0
        for product, found in ids.items():
            assert found == [i for i in simulator.control.ids(product) if i >= found[0]]
        letters = [
            decode_dead_letter(record.value or b"")
            for record in read_topic(broker.address, unique_topics.trades_dlq)
        ]
        assert {letter.reason for letter in letters} == {"malformed"}
        assert all(letter.detail and letter.payload for letter in letters)


def test_aged_connection_is_replaced_without_gap_or_history(
    broker: LocalBroker, unique_run_id: str, unique_topics: TopicNames, processes: Processes
) -> None:
    with start_simulator(
        product_ids=PRODUCTS, simulator_rate=100, simulator_history="1m"
    ) as simulator:
        producer = processes(
            "trade-producer",
            settings(broker, simulator, unique_run_id, MAX_CONNECTION_AGE_SECONDS="4"),
        )
        producer.wait_for_log("replaced the connection", 30.0)
        calls = simulator.control.state()["rest_calls"]
        wait_until(lambda: producer.log().count("replaced the connection") >= 2, 30.0)
        assert simulator.control.state()["rest_calls"] == calls, "the overlap needs no history"
        ids = wait_for_newest(broker, unique_topics.trades, simulator, producer)
        assert producer.stop() == 0
        for product, found in ids.items():
            assert found == [i for i in simulator.control.ids(product) if i >= found[0]]


def test_broker_at_a_standstill_costs_no_trade_and_shows_in_health(
    own_broker: OwnBroker, unique_run_id: str, unique_topics: TopicNames, processes: Processes
) -> None:
    broker = own_broker()
    with start_simulator(
        product_ids=PRODUCTS, simulator_rate=60, simulator_history="1m"
    ) as simulator:
        env = settings(broker, simulator, unique_run_id, METRICS_PORT="0")
        producer = processes("trade-producer", env)
        line = producer.wait_for_log("metrics and health at")
        address = line[line.index("http://") :].strip()
        health = wait_until(lambda: _health(address), 30.0, "the health page says healthy")
        assert set(health["parts"]) == {"exchange", "broker", "loop", "contiguity", "understanding"}
        broker.pause()
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 200, 30.0)
        broker.resume()
        ids = wait_for_newest(broker, unique_topics.trades, simulator, producer)
        metrics = httpx.get(address + "metrics", trust_env=False).text
        assert "trade_producer_trades_appended_total" in metrics
        producer.signal(signal.SIGTERM)
        assert producer.wait(40.0) == 0, producer.log()
        for product, found in ids.items():
            assert found == [i for i in simulator.control.ids(product) if i >= found[0]]


def test_trade_dropped_from_quiet_coinbase_product_shows_in_heartbeats(
    broker: LocalBroker, unique_run_id: str, unique_topics: TopicNames, processes: Processes
) -> None:
    with start_simulator(
        exchange="coinbase", product_ids=PRODUCTS, simulator_rate=60, simulator_history="1m"
    ) as simulator:
        env = settings(broker, simulator, unique_run_id, EXCHANGE="coinbase")
        producer = processes("trade-producer", env)
        simulator.control.wait_subscribed("ETH/USD")
        simulator.control.order({"fault": "skip", "trades": 1_000_000})
        before = simulator.control.state()["live_trades"]
        wait_until(lambda: simulator.control.state()["live_trades"] > before + 60, 30.0)
        ids = wait_for_newest(broker, unique_topics.trades, simulator, producer)
        assert simulator.control.state()["connections_ever"] == 1
        assert producer.stop() == 0, producer.log()
        for product, found in ids.items():
            assert found == [i for i in simulator.control.ids(product) if i >= found[0]]


@pytest.mark.parametrize("confirmed_jumps", ["gap", "accept"])
def test_ids_missing_in_history_are_a_gap_or_an_accepted_jump_as_set(
    confirmed_jumps: str,
    broker: LocalBroker,
    unique_run_id: str,
    unique_topics: TopicNames,
    processes: Processes,
) -> None:
    with start_simulator(
        product_ids=PRODUCTS, simulator_rate=60, simulator_history="1m", simulator_hold="all"
    ) as simulator:
        producer = processes(
            "trade-producer",
            settings(broker, simulator, unique_run_id, CONFIRMED_JUMPS=confirmed_jumps),
        )
        simulator.control.wait_subscribed("ETH/USD")
        simulator.control.order(
            {"fault": "skip", "trades": 3, "product": "BTC/USD", "withhold": True}
        )
        is_gap = confirmed_jumps == "gap"
        words = "could not be retrieved" if is_gap else "were never issued"
        producer.wait_for_log(words, 60.0)
        simulator.control.pause()
        newest = max(t["trade_id"] for t in _shown(simulator))
        wait_until(
            lambda: (
                newest
                in read_trades(read_topic(broker.address, unique_topics.trades)).ids["BTC/USD"]
            ),
            30.0,
            "the newest trade",
        )
        assert producer.stop() == 0, producer.log()
        records = read_topic(broker.address, unique_topics.trades)
        found = read_trades(records).ids["BTC/USD"]
        assert found == [t["trade_id"] for t in _shown(simulator) if t["trade_id"] >= found[0]]
        hidden = [t["trade_id"] for t in simulator.control.trades("BTC/USD") if t["withheld"]]
        assert len(hidden) == 3
        assert read_trades(records).gap_ids("BTC/USD") == (hidden if is_gap else [])


def _shown(simulator: Simulator) -> list[dict[str, Any]]:
    return [trade for trade in simulator.control.trades("BTC/USD") if not trade["withheld"]]


def _live_status(address: str) -> dict[str, Any] | None:
    status: dict[str, Any] = httpx.get(address + "status", trust_env=False).json()
    return status if status["state"] == "live" else None


def _health(address: str) -> dict[str, Any] | None:
    response = httpx.get(address + "health", trust_env=False)
    report: dict[str, Any] = json.loads(response.text)
    return report if response.status_code == 200 and report["parts"] else None


def test_producer_without_network_says_so_and_keeps_trying(
    broker: LocalBroker, unique_run_id: str, processes: Processes
) -> None:
    with start_simulator(product_ids=PRODUCTS) as simulator:
        env = settings(broker, simulator, unique_run_id)
    producer = processes("trade-producer", env)
    wait_until(lambda: producer.log().count("trying again in") >= 3, 30.0, "three tries")
    assert producer.is_running
    assert producer.stop() == 0, producer.log()


def test_wrong_setting_is_one_line_and_exit_code_two(processes: Processes) -> None:
    producer = processes("trade-producer", {"START_FROM": "yesterday"})
    assert producer.wait(30.0) == 2
    (line,) = producer.log().splitlines()
    assert "START_FROM was 'yesterday'" in line
    assert "last (where the topic ends), window" in line
