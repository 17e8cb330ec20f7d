"""The writer as a process, against a real broker."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from ohlc_core.messages.codec import decode_dead_letter, encode_candle
from support.candle_records import candle, record_key
from support.feature_db import expected_rows
from support.kafka import create_topics, read_topic
from support.processes import Processes
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service


def test_no_lag_means_every_candle_is_in_the_store(pipeline: WriterPipeline) -> None:
    products = ("BTC/USD", "ETH/USD", "SOL/USD")
    candles = [candle(n, product_id=product) for n in range(50) for product in products]
    pipeline.produce(*candles)
    writer = pipeline.writer()
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows(candles)
    assert writer.stop() == 0


def test_candles_written_in_transactions_leave_no_lag_either(pipeline: WriterPipeline) -> None:
    create_topics(pipeline.address, pipeline.names.ohlc)
    producer = Producer(
        {
            "bootstrap.servers": pipeline.address,
            "transactional.id": f"aggregator-{pipeline.names.run_id}",
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions(30)
    kept, aborted = candle(0), candle(1)
    for each, end in ((kept, producer.commit_transaction), (aborted, producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(pipeline.names.ohlc, key=record_key(each), value=encode_candle(each))
        producer.flush(30)
        end(30)
    pipeline.writer()
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows([kept])


def test_poison_goes_to_the_dead_letter_topic_and_the_rest_is_stored(
    pipeline: WriterPipeline,
) -> None:
    good = candle()
    key = record_key(good)
    pipeline.produce_raw((key, b"{not json"), (key, encode_candle(good)), (key, None))
    pipeline.writer()
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows([good])
    letters = read_topic(pipeline.address, pipeline.names.ohlc_dlq)
    shown = [decode_dead_letter(each.value or b"") for each in letters]
    assert [(each.reason, each.payload) for each in shown] == [
        ("malformed", "{not json"),
        ("malformed", ""),
    ]
    assert {each.key for each in letters} == {key.encode()}


def test_stopped_writer_has_committed_all_it_stored(pipeline: WriterPipeline) -> None:
    first, second = candle(0), candle(1)
    pipeline.produce(first)
    writer = pipeline.writer()
    writer.wait_for_log("writing ")
    wait_until(pipeline.path.exists, 20, "the store to be opened")
    assert writer.stop() == 0
    pipeline.produce(second)
    pipeline.writer()
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows([first, second])


def test_store_locked_by_another_writer_holds_reading_until_it_is_free(
    pipeline: WriterPipeline,
) -> None:
    candles = [candle(n) for n in range(20)]
    writer = pipeline.writer()
    wait_until(pipeline.path.exists, 30, "the store to be opened")
    writer.wait_for_log("writing ")
    with closing(sqlite3.connect(pipeline.path, isolation_level=None, timeout=30)) as other:
        other.execute("begin immediate")
        pipeline.produce(*candles)
        writer.wait_for_log("database is locked")
        other.execute("rollback")
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows(candles)
    assert writer.stop() == 0


def test_long_reader_neither_stops_the_writer_nor_sees_half_a_batch(
    pipeline: WriterPipeline,
) -> None:
    before, after = candle(0), [candle(n) for n in range(1, 40)]
    pipeline.produce(before)
    pipeline.writer()
    pipeline.wait_until_stored()
    with closing(sqlite3.connect(pipeline.path, isolation_level=None)) as reader:
        reader.execute("begin")
        assert reader.execute("select count(*) from ohlc_1").fetchone() == (1,)
        pipeline.produce(*after)
        pipeline.wait_until_stored()
        assert reader.execute("select count(*) from ohlc_1").fetchone() == (1,)
    assert pipeline.rows() == expected_rows([before, *after])


def test_partitions_move_between_writers_without_loss(pipeline: WriterPipeline) -> None:
    products = [f"P{n}/USD" for n in range(12)]
    waves = [
        [candle(n, product_id=p) for n in range(w, w + 20) for p in products] for w in (0, 20, 40)
    ]
    first = pipeline.writer()
    pipeline.produce(*waves[0])
    pipeline.wait_until_stored()
    pipeline.writer()
    pipeline.produce(*waves[1])
    pipeline.wait_until_stored()
    assert first.stop() == 0
    pipeline.produce(*waves[2])
    pipeline.wait_until_stored()
    assert pipeline.rows() == expected_rows([each for wave in waves for each in wave])


def test_metrics_and_health_tell_what_the_writer_does(pipeline: WriterPipeline) -> None:
    pipeline.produce(candle(0), candle(1, complete=False))
    writer = pipeline.writer(METRICS_PORT="0")
    address = writer.wait_for_log("metrics and health at ").split(" at ")[-1].strip()
    pipeline.wait_until_stored()

    def shown() -> str:
        text = httpx.get(f"{address}metrics").text
        return text if "feature_writer_candles_written_total 1.0" in text else ""

    def lives() -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{address}status").json()
        return answer if answer["state"] == "live" else {}

    # The broker knows what is committed before the writer has counted it.
    status = wait_until(lives, 10, "the writer to say that everything is stored")
    metrics = wait_until(shown, 10, "the written candle to be counted")
    assert 'feature_writer_candles_skipped_total{reason="incomplete"} 1.0' in metrics
    assert "feature_writer_lag_records{partition=" in metrics
    health = httpx.get(f"{address}health")
    assert health.status_code == 200
    assert set(health.json()["parts"]) >= {"poll", "reading", "store", "broker"}
    assert status["works_on"]["store"] == "local"
    assert status["progress"]["newest_window_end_ms"] == candle(0).window_end_ms


def test_console_store_prints_each_candles_exact_json(pipeline: WriterPipeline) -> None:
    candles = [candle(0), candle(0, revision=1)]
    pipeline.produce(*candles)
    writer = pipeline.writer(FEATURE_STORE="console")
    pipeline.wait_until_stored()
    assert writer.stop() == 0
    lines = [line for line in writer.log_lines() if line.startswith("{")]
    assert lines == [encode_candle(each).decode() for each in candles]
    assert json.loads(lines[0])["type"] == "candle"


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({"FEATURE_STORE_URL": "mysql://h/d"}, 2, "FEATURE_STORE_URL was 'mysql://h/d'"),
        ({"FEATURE_STORE_URL": "sqlite:////dev/null/features.db"}, 1, "cannot be created"),
        ({"FEATURE_STORE": "redis"}, 2, "FEATURE_STORE was 'redis'"),
        (
            {"KAFKA_BROKER_ADDRESS": "127.0.0.1:1", "KAFKA_STARTUP_TIMEOUT_SECONDS": "1"},
            1,
            "no broker answered at KAFKA_BROKER_ADDRESS=127.0.0.1:1",
        ),
    ],
)
def test_wrong_surroundings_are_one_clear_line(
    processes: Processes, tmp_path: Path, settings: dict[str, str], code: int, text: str
) -> None:
    writer = processes("feature-writer", settings)
    assert writer.wait(30) == code
    (line,) = writer.log_lines()
    assert text in line
