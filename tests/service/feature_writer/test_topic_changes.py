"""What happens to the topic and the group while the writer runs."""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from ohlc_core.messages.codec import decode_dead_letter, encode_candle
from support.candle_records import candle, record_key
from support.feature_db import expected_rows
from support.kafka import create_topics, read_topic
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service


def _admin(pipeline: WriterPipeline) -> AdminClient:
    return AdminClient({"bootstrap.servers": pipeline.address})


def _delete_topic(pipeline: WriterPipeline) -> None:
    topic, admin = pipeline.names.ohlc, _admin(pipeline)
    admin.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in admin.list_topics(timeout=10).topics, 30, "the topic to go")


def test_candles_removed_before_they_were_read_are_counted_and_named(
    pipeline: WriterPipeline,
) -> None:
    create_topics(pipeline.address, pipeline.names.ohlc, partitions=1)
    first, removed, kept = candle(0), [candle(n) for n in range(1, 5)], candle(9)
    pipeline.produce(first)
    writer = pipeline.writer()
    pipeline.wait_until_stored(40, writer)
    assert writer.stop() == 0
    pipeline.produce(*removed, kept)
    where = TopicPartition(pipeline.names.ohlc, 0, 5)
    admin = _admin(pipeline)
    admin.delete_records([where])[TopicPartition(pipeline.names.ohlc, 0)].result(30)
    writer = pipeline.writer()
    line = writer.wait_for_log("were removed before they were read")
    assert f"{pipeline.names.ohlc}[0]: offsets 1 to 4 (4 records)" in line
    assert "make backfill" in line
    pipeline.wait_until_stored(40, writer)
    assert pipeline.rows() == expected_rows([first, kept])


def test_partitions_added_while_the_writer_runs_are_read_and_reported(
    pipeline: WriterPipeline,
) -> None:
    products = [f"P{n}/USD" for n in range(12)]
    waves = [[candle(n, product_id=each) for each in products] for n in range(2)]
    pipeline.produce(*waves[0])
    writer = pipeline.writer()
    pipeline.wait_until_stored(40, writer)
    topic = pipeline.names.ohlc
    admin = _admin(pipeline)
    admin.create_partitions([NewPartitions(topic, 8)])[topic].result(30)
    writer.wait_for_log("was given 8 partitions instead of 4; all of them are read")
    pipeline.produce(*waves[1])
    pipeline.wait_until_stored(40, writer)
    assert pipeline.rows() == expected_rows([*waves[0], *waves[1]])


def test_recreated_topic_ends_the_writer_which_then_reads_it_from_its_beginning(
    pipeline: WriterPipeline,
) -> None:
    before, after = [candle(n) for n in range(20)], [candle(n) for n in range(20, 60)]
    pipeline.produce(*before)
    writer = pipeline.writer()
    pipeline.wait_until_stored(40, writer)
    _delete_topic(pipeline)
    pipeline.produce(*after)
    assert writer.wait(40) == 1
    assert pipeline.names.ohlc in writer.log_lines()[-1]
    assert "started again, this service" in writer.log_lines()[-1]
    assert "Traceback" not in writer.log()
    pipeline.writer()
    # Not the group's lag: the first writer may have committed an end of the new topic.
    expected = expected_rows([*before, *after])
    wait_until(lambda: pipeline.rows() == expected, 60, "the new topic's rows", every=0.2)


def test_topic_recreated_under_a_stopped_writer_is_read_from_its_beginning(
    pipeline: WriterPipeline,
) -> None:
    before, after = [candle(n) for n in range(3)], [candle(n) for n in range(3, 60)]
    pipeline.produce(*before)
    writer = pipeline.writer()
    pipeline.wait_until_stored(40, writer)
    assert writer.stop() == 0
    _delete_topic(pipeline)
    pipeline.produce(*after)
    pipeline.wait_until_stored(40, pipeline.writer())
    assert pipeline.rows() == expected_rows([*before, *after])


def test_fenced_writer_exits_1_and_names_the_setting_also_while_idle(
    pipeline: WriterPipeline,
) -> None:
    member = {"KAFKA_GROUP_INSTANCE_ID": "writer-0"}
    pipeline.produce(candle(0))
    first = pipeline.writer(**member)
    pipeline.wait_until_stored(40, first)
    second = pipeline.writer(**member)
    assert first.wait(30) == 1
    assert "KAFKA_GROUP_INSTANCE_ID=writer-0" in first.log_lines()[-1]
    pipeline.produce(candle(1))
    pipeline.wait_until_stored(40, second)
    assert second.stop() == 0


def test_dead_letter_over_the_message_limit_is_cut_and_the_rest_stored(
    pipeline: WriterPipeline,
) -> None:
    before, after = candle(0), candle(1)
    key = record_key(before)
    # Every byte of it takes six in JSON.
    poison = b"\x01" * 900_000
    pipeline.produce_raw((key, encode_candle(before)))
    pipeline.produce_raw((key, poison))
    pipeline.produce_raw((key, encode_candle(after)))
    pipeline.writer()
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows([before, after])
    (record,) = read_topic(pipeline.address, pipeline.names.ohlc_dlq)
    letter = decode_dead_letter(record.value or b"")
    assert letter.payload == "\x01" * len(letter.payload)
    assert f"payload cut to {len(letter.payload):,} of 900,000 characters" in letter.detail


def test_store_deleted_under_a_running_writer_is_made_again_from_the_topic(
    pipeline: WriterPipeline,
) -> None:
    first, second = [candle(n) for n in range(10)], [candle(n) for n in range(10, 20)]
    pipeline.produce(*first)
    writer = pipeline.writer()
    pipeline.wait_until_stored(40, writer)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{pipeline.path}{suffix}").unlink(missing_ok=True)
    pipeline.produce(*second)
    writer.wait_for_log("made again from topic")
    pipeline.wait_until_stored(40, writer)
    assert pipeline.rows() == expected_rows([*first, *second])
    assert writer.stop() == 0


def test_restarted_writer_does_not_wait_for_its_dead_predecessor(
    pipeline: WriterPipeline,
) -> None:
    member = {"KAFKA_GROUP_INSTANCE_ID": "writer-0"}
    pipeline.produce(candle(0))
    writer = pipeline.writer(**member)
    pipeline.wait_until_stored(40, writer)
    pipeline.produce(candle(1))
    writer.kill()
    writer = pipeline.writer(**member)
    wanted = expected_rows([candle(0), candle(1), candle(2)])
    pipeline.produce(candle(2))
    wait_until(lambda: pipeline.rows() == wanted, 8, "the next candle", every=0.02)


def test_two_writers_of_one_machine_have_names_of_their_own(pipeline: WriterPipeline) -> None:
    live = {"RUN_ID": "", "KAFKA_BROKER_ADDRESS": pipeline.address}
    first = pipeline.writer(**live)
    first.wait_for_log(", member ")
    second = pipeline.writer(**live)
    second.wait_for_log(", member ")
    wait_until(pipeline.path.exists, 20, "the store to be opened")
    assert first.is_running
    assert first.stop() == second.stop() == 0
