"""A Postgres that keeps the connection open and says nothing: heard of, waited for, given up."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from support.candle_records import candle
from support.postgres import PostgresServer, postgres_server
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


def _rows(server: PostgresServer) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("select count(*) from ohlc_1").fetchone()
        assert row is not None
        return int(row[0])


def test_silent_server_is_logged_and_the_batch_is_written_once_it_answers(
    pipeline: WriterPipeline, server: PostgresServer
) -> None:
    pipeline.produce(candle(0))
    writer = pipeline.writer(FEATURE_STORE_URL=server.url)
    pipeline.wait_until_stored()
    with server.silent():
        pipeline.produce(candle(1))
        writer.wait_for_log("did not answer for 10 s", timeout=20)
    pipeline.wait_until_stored()
    assert _rows(server) == 2
    assert writer.stop() == 0


def test_stop_is_obeyed_while_the_server_is_silent(
    pipeline: WriterPipeline, server: PostgresServer
) -> None:
    pipeline.produce(candle(0))
    writer = pipeline.writer(FEATURE_STORE_URL=server.url)
    pipeline.wait_until_stored()
    with server.silent():
        pipeline.produce(candle(1))
        writer.wait_for_log("not kept, reading is paused", timeout=20)
        begin = time.monotonic()
        assert writer.stop(30) == 1
        assert time.monotonic() - begin < 30
    assert "not in the store" in writer.log_lines()[-1]


def test_silent_server_is_given_up_after_the_time_that_is_set(
    pipeline: WriterPipeline, server: PostgresServer
) -> None:
    pipeline.produce(candle(0))
    writer = pipeline.writer(FEATURE_STORE_URL=server.url, WRITE_RETRY_SECONDS="3")
    pipeline.wait_until_stored()
    with server.silent():
        pipeline.produce(candle(1))
        assert writer.wait(40) == 1
    assert "WRITE_RETRY_SECONDS" in writer.log_lines()[-1]
