"""Where the products' records end, on a real broker."""

import threading
from decimal import Decimal

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from local_stack.brokers import LocalBroker
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.codec import encode, encode_trades
from ohlc_core.messages.records import GapMessage, StartMessage, WatermarkMessage
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from support.kafka import create_topics, produce
from trade_producer.topic_tail import read_tails

pytestmark = pytest.mark.service

KEYS = [ProductKey("kraken", f"P{number}/USD") for number in range(40)]


def record(key: ProductKey, trade_id: int) -> tuple[str, bytes]:
    trade = Trade(str(trade_id), Decimal(1), Decimal(1), "buy", 1_790_000_000_000_000 + trade_id)
    return str(key), encode_trades(key.exchange, key.product_id, "websocket", [trade])


def tail_ids(broker: LocalBroker, topic: str, seconds: float = 0.0) -> dict[str, str | None]:
    settings = load(KafkaSettings, _env_file=None, kafka_broker_address=broker.address)
    tails = read_tails(settings, topic, KEYS, seconds, threading.Event())
    return {
        key.product_id: tail.position.trade_id if tail.position else None
        for key, tail in tails.items()
    }


def test_tail_is_found_behind_many_records_and_poison_and_after_partitions_were_added(
    broker: LocalBroker, unique_run_id: str
) -> None:
    topic = f"tails-{unique_run_id}"
    create_topics(broker.address, topic)
    started = KEYS[1]
    produce(broker.address, topic, [record(key, 7) for key in KEYS if key != started])
    begun = StartMessage(started.exchange, started.product_id, 1_790_000_000_000_000)
    produce(broker.address, topic, [(str(started), encode(begun))])
    busy = KEYS[0]
    mark = WatermarkMessage(busy.exchange, busy.product_id, 1_790_000_001_000_000)
    many = [record(busy, trade_id) for trade_id in range(8, 12_000)]
    produce(broker.address, topic, [*many, (str(busy), encode(mark))])
    expected: dict[str, str | None] = {key.product_id: "7" for key in KEYS}
    expected |= {busy.product_id: "11999", started.product_id: None}
    poison = encode(GapMessage(busy.exchange, busy.product_id, "1", "9" * 5_000))
    produce(broker.address, topic, [(str(busy), poison), (str(busy), b"no JSON")])
    assert tail_ids(broker, topic, 0.2) == expected
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_partitions([NewPartitions(topic, 7)]).values():
        future.result(30)
    assert tail_ids(broker, topic) == expected
