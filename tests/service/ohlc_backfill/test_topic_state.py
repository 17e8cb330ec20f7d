"""What is read back from a real topic."""

from decimal import Decimal

import pytest

from local_stack.brokers import LocalBroker
from ohlc_backfill.topic_state import ReplayedSoFar, replayed_so_far
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.codec import encode, encode_trades
from ohlc_core.messages.records import StartMessage, TradesTopicMessage, WatermarkMessage
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_exchanges.base import Position
from support.kafka import create_topics, produce
from trade_replayer.hand_over import first_whole_window_us, live_start_us

pytestmark = pytest.mark.service

BTC = ProductKey("kraken", "BTC/USD")
ETH = ProductKey("kraken", "ETH/USD")
LTC = ProductKey("kraken", "LTC/USD")
MINUTE = 60_000_000
T0 = 1_790_035_200_000_000


@pytest.fixture
def kafka(broker: LocalBroker) -> KafkaSettings:
    return KafkaSettings(_env_file=None, kafka_broker_address=broker.address)  # type: ignore[call-arg]


def trades(key: ProductKey, *ids: int) -> tuple[str, bytes]:
    rows = [Trade(str(id_), Decimal(1), Decimal(1), "buy", T0 + id_) for id_ in ids]
    return str(key), encode_trades(*key, "file", rows)


def control(message: TradesTopicMessage) -> tuple[str, bytes]:
    return f"{message.exchange}:{message.product_id}", encode(message)


def so_far(kafka: KafkaSettings, topic: str) -> dict[ProductKey, ReplayedSoFar]:
    return replayed_so_far(kafka, topic, [BTC, ETH, LTC])


def test_empty_topic_says_nothing(kafka: KafkaSettings, unique_topics: TopicNames) -> None:
    create_topics(kafka.kafka_broker_address, unique_topics.trades)
    assert so_far(kafka, unique_topics.trades) == {key: ReplayedSoFar() for key in (BTC, ETH, LTC)}


def test_the_last_trade_is_found_however_far_back(
    kafka: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.trades
    # One partition, so that the products lie behind each other's records.
    create_topics(kafka.kafka_broker_address, topic, partitions=1)
    records = [control(StartMessage(*BTC, T0)), trades(BTC, 1, 2)]
    records += [trades(ETH, number) for number in range(1, 1_500)]
    produce(kafka.kafka_broker_address, topic, records)
    found = so_far(kafka, topic)
    assert found[BTC] == ReplayedSoFar(
        last=Position("2", T0 + 2), started_us=T0, final_us=None, has_records=True
    )
    assert found[ETH].last == Position("1499", T0 + 1_499)
    assert found[LTC] == ReplayedSoFar()


def test_a_final_watermark_counts_only_behind_the_last_trade(
    kafka: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.trades
    create_topics(kafka.kafka_broker_address, topic)
    final = [control(WatermarkMessage(*key, T0 + MINUTE, final=True)) for key in (BTC, ETH, LTC)]
    produce(kafka.kafka_broker_address, topic, [trades(BTC, 1), trades(ETH, 1), *final])
    produce(kafka.kafka_broker_address, topic, [trades(ETH, 2)])
    found = so_far(kafka, topic)
    assert found[BTC].final_us == T0 + MINUTE
    assert found[ETH].final_us is None
    assert (found[LTC].final_us, found[LTC].last) == (T0 + MINUTE, None)


def test_malformed_record_on_the_runs_topic_is_passed_over(
    kafka: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.trades
    create_topics(kafka.kafka_broker_address, topic)
    bad = [(str(BTC), b"{not json"), (str(BTC), None), (str(ETH), b"{}")]
    produce(kafka.kafka_broker_address, topic, [trades(BTC, 1), *bad])
    found = so_far(kafka, topic)
    assert found[BTC].last == Position("1", T0 + 1)
    assert found[ETH] == ReplayedSoFar()


def test_a_live_stream_that_began_lately_is_found(
    kafka: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.trades
    address = kafka.kafka_broker_address
    assert live_start_us(kafka, topic, BTC, T0) is None  # no live pipeline at all
    create_topics(address, topic, partitions=1)
    assert live_start_us(kafka, topic, BTC, T0) is None
    produce(address, topic, [control(StartMessage(*BTC, T0 - MINUTE))], (T0 - MINUTE) // 1_000)
    assert live_start_us(kafka, topic, BTC, T0) is None  # long before
    produce(address, topic, [control(StartMessage(*BTC, T0 + 5))], T0 // 1_000)
    produce(address, topic, [trades(BTC, 6), control(StartMessage(*ETH, T0 + 9))], T0 // 1_000)
    assert live_start_us(kafka, topic, BTC, T0) == T0 + 5
    assert live_start_us(kafka, topic, ETH, T0) == T0 + 9
    assert live_start_us(kafka, topic, LTC, T0) is None


@pytest.mark.parametrize(
    ("start", "texts", "end"),
    [
        (T0, ("1m", "1h"), T0),
        (T0 + 1, ("1m",), T0 + MINUTE),
        (T0 + 1, ("1m", "5m", "1h"), T0 + 60 * MINUTE),
        (T0 + 1, ("1m", "1w"), T0 + MINUTE),  # nobody waits for a week
    ],
)
def test_history_reaches_to_the_first_window_that_is_whole_in_the_live_stream(
    start: int, texts: tuple[str, ...], end: int
) -> None:
    intervals = [Interval.parse(text) for text in texts]
    assert first_whole_window_us(start, intervals, T0) == end
