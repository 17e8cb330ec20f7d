"""The bounded reader and the producer, against a real broker."""

import pytest
from confluent_kafka import Producer
from prometheus_client import REGISTRY

from local_stack.brokers import LocalBroker
from ohlc_core.errors import RecordTooLargeError
from ohlc_core.kafka.malformed import decoded
from ohlc_core.kafka.producer import RecordProducer
from ohlc_core.kafka.reader import Bounds, TopicReader
from ohlc_core.messages.codec import decode_candle, encode_candle
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from support.candle_records import candle
from support.kafka import create_topics, produce

pytestmark = pytest.mark.service


@pytest.fixture
def settings(broker: LocalBroker) -> KafkaSettings:
    return load(KafkaSettings, kafka_broker_address=broker.address)


def _values(reader: TopicReader, ranges: dict[int, Bounds]) -> list[bytes | None]:
    return [message.value() for message in reader.read(ranges)]


def test_range_is_read_to_its_end_and_no_further(
    settings: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.ohlc
    create_topics(settings.kafka_broker_address, topic, partitions=1)
    produce(settings.kafka_broker_address, topic, [("k", b"%d" % n) for n in range(10)])
    with TopicReader(settings, topic) as reader:
        bounds = reader.bounds()
        produce(settings.kafka_broker_address, topic, [("k", b"later")])
        assert bounds == {0: Bounds(0, 10)}
        assert _values(reader, bounds) == [b"%d" % n for n in range(10)]
        assert _values(reader, {0: Bounds(3, 5)}) == [b"3", b"4"]
        assert _values(reader, {0: Bounds(10, 10)}) == []


def test_range_that_ends_in_a_transactions_marker_or_aborted_records_is_read_to_its_end(
    settings: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.ohlc
    create_topics(settings.kafka_broker_address, topic, partitions=1)
    producer = Producer(
        {"bootstrap.servers": settings.kafka_broker_address, "transactional.id": topic}
    )
    producer.init_transactions(30)
    for value, end in ((b"kept", producer.commit_transaction), (b"no", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        end(30)
    with TopicReader(settings, topic, patience_seconds=10) as reader:
        assert _values(reader, reader.bounds()) == [b"kept"]
        assert _values(reader, {0: Bounds(1, 4)}) == []


def test_malformed_record_is_counted_and_passed_over(
    settings: KafkaSettings, unique_topics: TopicNames
) -> None:
    topic = unique_topics.ohlc
    create_topics(settings.kafka_broker_address, topic, partitions=1)
    good = candle()
    records = [("k", b"{not json"), ("k", None), ("k", encode_candle(good))]
    produce(settings.kafka_broker_address, topic, records)
    with TopicReader(settings, topic) as reader:
        read = [record for _, record in decoded(reader.read(reader.bounds()), decode_candle)]
    assert read == [good]
    assert REGISTRY.get_sample_value("kafka_malformed_records_total", {"topic": topic}) == 2


def test_record_over_the_limit_is_one_line_with_the_remedy(
    settings: KafkaSettings, unique_topics: TopicNames
) -> None:
    create_topics(settings.kafka_broker_address, unique_topics.ohlc)
    producer = RecordProducer(settings, too_large="lower REPLAY_BATCH")
    with pytest.raises(RecordTooLargeError, match=r"2,000,000 bytes .*lower REPLAY_BATCH"):
        producer.send(unique_topics.ohlc, "k", b"x" * 2_000_000, 0)
