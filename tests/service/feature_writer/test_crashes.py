"""Whatever kills or starves the writer, the store ends with the topic's newest revisions."""

import random
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ohlc_core.domain.candle import Candle
from support.candle_records import candle
from support.feature_db import expected_rows, stored_rows
from support.kafka import OwnBroker
from support.postgres import postgres_server
from support.processes import Processes
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service


def _revised_candles(random_: random.Random, products: int, windows: int) -> list[Candle]:
    """Return candles of several products with corrections among them, as the topic holds them."""
    candles: list[Candle] = []
    for window in range(windows):
        for product in range(products):
            name = f"P{product}/USD"
            candles.append(candle(window, product_id=name, close=str(1 + window)))
            if window and random_.random() < 0.2:
                late = random_.randrange(window)
                close = str(1_000 + window)
                candles.append(candle(late, product_id=name, close=close, revision=window))
    return candles


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_writer_killed_at_random_points_leaves_no_wrong_row(
    pipeline: WriterPipeline, seed: int
) -> None:
    random_ = random.Random(seed)
    candles = _revised_candles(random_, products=20, windows=300)
    pipeline.produce(*candles)
    goal = len(expected_rows(candles).history)
    # A fixed member takes its place in the group back at once; the others would wait for 10 s.
    member = {"KAFKA_GROUP_INSTANCE_ID": "writer-0"}
    # Killed when the store holds a random part of the rows, mid-batch as likely as between.
    for share in sorted(random_.uniform(0.02, 0.9) for _ in range(4)):
        writer = pipeline.writer(WRITE_BATCH_SIZE="40", **member)
        wait_until(
            lambda at=share * goal: len(pipeline.rows().history) >= at,  # type: ignore[misc]
            60,
            f"{share:.0%} of the rows",
            every=0.01,
        )
        writer.kill()
        rows = pipeline.rows()
        # Both tables always show the same moment, also between crash and restart.
        assert [row.window_start for row in rows.latest] == [
            max(each.window_start for each in rows.history if each.product_id == row.product_id)
            for row in rows.latest
        ]
    writer = pipeline.writer(**member)
    pipeline.wait_until_stored(60, writer)
    assert pipeline.rows() == expected_rows(candles)


def test_replay_of_the_whole_topic_changes_no_row(pipeline: WriterPipeline) -> None:
    candles = _revised_candles(random.Random(4), products=5, windows=50)
    pipeline.produce(*candles)
    writer = pipeline.writer()
    pipeline.wait_until_stored(60, writer)
    once = pipeline.rows()
    assert once == expected_rows(candles)
    pipeline.produce(*candles)
    pipeline.wait_until_stored(60, writer)
    assert pipeline.rows() == once


def test_full_disk_holds_the_writer_until_there_is_room_again(
    pipeline: WriterPipeline, small_disk: Path
) -> None:
    pipeline.path = small_disk / "features.db"
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (15 << 19))  # half a MiB is left
    candles = _revised_candles(random.Random(5), products=10, windows=250)
    pipeline.produce(*candles)
    writer = pipeline.writer(WRITE_BATCH_SIZE="200")
    writer.wait_for_log("reading is paused", 60)
    assert "full" in writer.log() or "I/O error" in writer.log()
    rows = pipeline.rows()
    assert 0 < len(rows.history) < len(expected_rows(candles).history)
    filler.unlink()
    pipeline.wait_until_stored(60, writer)
    assert pipeline.rows() == expected_rows(candles)
    assert writer.stop() == 0


def test_file_size_limit_is_survived_like_a_full_disk(
    pipeline: WriterPipeline, tmp_path: Path
) -> None:
    candles = _revised_candles(random.Random(6), products=10, windows=250)
    pipeline.produce(*candles)
    writer = pipeline.writer(WRITE_BATCH_SIZE="200")
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (200_000, unlimited))
    writer.wait_for_log("reading is paused", 60)
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    pipeline.wait_until_stored(60, writer)
    assert pipeline.rows() == expected_rows(candles)


def test_two_writers_of_one_store_leave_each_others_newer_rows_alone(
    pipeline: WriterPipeline,
) -> None:
    candles = _revised_candles(random.Random(7), products=16, windows=120)
    half = len(candles) // 2
    first, second = pipeline.writer(WRITE_BATCH_SIZE="50"), pipeline.writer(WRITE_BATCH_SIZE="50")
    pipeline.produce(*candles[:half])
    pipeline.wait_until_stored(60, first)
    pipeline.produce(*candles[half:])
    first.kill()
    pipeline.wait_until_stored(60, second)
    assert pipeline.rows() == expected_rows(candles)


def test_broker_outage_delays_but_loses_nothing(
    own_broker: OwnBroker,
    pipeline: WriterPipeline,
    processes: Processes,
    tmp_path: Path,
) -> None:
    broker = own_broker()
    away = WriterPipeline(broker.address, pipeline.names, tmp_path / "own", processes)
    candles = [candle(n) for n in range(60)]
    away.produce(*candles[:20])
    writer = away.writer()
    away.wait_until_stored(60, writer)
    broker.stop()
    writer.wait_for_log("broker: ", 30)
    broker.start()
    away.produce(*candles[20:])
    away.wait_until_stored(90, writer)
    assert away.rows() == expected_rows(candles)
    assert writer.stop() == 0


def test_store_deleted_under_a_stopped_writer_is_made_anew(pipeline: WriterPipeline) -> None:
    first, second = candle(0), candle(1)
    pipeline.produce(first)
    writer = pipeline.writer()
    pipeline.wait_until_stored(60, writer)
    assert writer.stop() == 0
    for suffix in ("", "-wal", "-shm"):
        Path(f"{pipeline.path}{suffix}").unlink(missing_ok=True)
    pipeline.produce(second)
    pipeline.wait_until_stored(60, pipeline.writer())
    assert pipeline.rows() == expected_rows([second])


def test_store_survives_a_reader_that_reads_all_the_time(pipeline: WriterPipeline) -> None:
    candles = _revised_candles(random.Random(8), products=10, windows=200)
    writer = pipeline.writer(WRITE_BATCH_SIZE="20")
    writer.wait_for_log("writing ")  # the store is open by then
    reads = 0
    with closing(sqlite3.connect(pipeline.path, timeout=30)) as reader:

        def newest_is_in_the_history() -> bool:
            nonlocal reads
            reads += 1
            reader.execute("begin")
            lost = reader.execute(
                "select count(*) from ohlc_1_latest l left join ohlc_1 h using "
                "(exchange, product_id, candle_interval, window_start, revision) "
                "where h.close is null or h.close != l.close"
            ).fetchone()
            count = reader.execute("select count(*) from ohlc_1").fetchone()
            reader.rollback()
            assert lost == (0,)
            return bool(count[0] == len(expected_rows(candles).history))

        for first in range(0, len(candles), 200):
            # Another read lies between any two parts, however fast the writer is.
            pipeline.produce(*candles[first : first + 200])
            newest_is_in_the_history()
        wait_until(newest_is_in_the_history, 60, "all rows", every=0.001)
    assert reads > len(candles) / 200
    assert stored_rows(pipeline.path) == expected_rows(candles)


def test_store_that_hangs_is_reported_and_does_not_hold_up_sigterm(
    pipeline: WriterPipeline,
) -> None:
    with postgres_server() as server:
        pipeline.produce(candle(0))
        writer = pipeline.writer(FEATURE_STORE_URL=server.url)
        pipeline.wait_until_stored(40, writer)
        with server.silent():
            pipeline.produce(candle(1))
            writer.wait_for_log("not answer", 30)
            assert writer.stop(40) == 1
        assert "not in the store; it is read again" in writer.log_lines()[-1]
        assert "Traceback" not in writer.log()
        writer = pipeline.writer(FEATURE_STORE_URL=server.url)
        pipeline.wait_until_stored(40, writer)
        assert server.query("select count(*) from ohlc_1") == [(2,)]
        assert writer.stop() == 0
