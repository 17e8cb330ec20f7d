"""No candle is passed over, whatever fails while others arrive.

Each run fails the store, its database or the broker FAILURES times while candles of two products
keep coming, and then counts. WRITER_FAILURES=200 is the long proof.
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ohlc_core.domain.candle import Candle
from support.candle_records import candle
from support.feature_db import expected_rows
from support.kafka import OwnBroker
from support.postgres import postgres_server
from support.processes import Processes, Script
from support.wait import wait_until
from support.writer_pipeline import WriterPipeline

pytestmark = pytest.mark.service

FAILURES = int(os.environ.get("WRITER_FAILURES", "3"))
PRODUCTS = ("BTC/USD", "ETH/USD")


class Arrivals:
    """Candles of two products that keep coming, at uneven moments, from a thread."""

    def __init__(self, pipeline: WriterPipeline, seed: int) -> None:
        self._pipeline = pipeline
        self._random = random.Random(seed)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.candles: list[Candle] = []

    def _run(self) -> None:
        window = 0
        while not self._done.wait(self._random.uniform(0.02, 0.3)):
            fresh = [candle(window, product_id=each) for each in PRODUCTS]
            self._pipeline.produce(*fresh)
            self.candles += fresh
            window += 1

    def stop(self) -> None:
        """Let no more come."""
        self._done.set()
        self._thread.join()

    def __enter__(self) -> "Arrivals":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Failure:
    """Waits for the writer to notice one more failure, and then its end."""

    def __init__(self, writer: Script) -> None:
        self._writer = writer
        self._paused = writer.log().count("reading is paused")
        self._resumed = writer.log().count("reading goes on")

    def wait_for_pause(self) -> None:
        self._wait("reading is paused", self._paused)

    def wait_for_end(self) -> None:
        self._wait("reading goes on", self._resumed)

    def _wait(self, text: str, before: int) -> None:
        def is_logged() -> bool:
            assert self._writer.is_running, self._writer.log_lines()[-3:]
            return self._writer.log().count(text) > before

        wait_until(is_logged, 30, f"{text!r} once more", every=0.02)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        other.execute("begin immediate")
        yield
        other.execute("rollback")


def test_no_candle_is_lost_while_the_store_is_locked_again_and_again(
    pipeline: WriterPipeline,
) -> None:
    with Arrivals(pipeline, seed=1) as arrivals:
        # Real locks, but a store that does not wait 5 s for each of them.
        writer = pipeline.writer(FEATURE_STORE_URL=f"sqlite:///{pipeline.path}?timeout=0.1")
        writer.wait_for_log("writing ")
        for number in range(FAILURES):
            failure = Failure(writer)
            with _locked(pipeline.path):
                failure.wait_for_pause()
                # Records arrive while partitions are paused: for a random part of a second.
                time.sleep(random.Random(number).uniform(0, 1))
            failure.wait_for_end()
    pipeline.wait_until_stored(60, writer)
    assert pipeline.rows() == expected_rows(arrivals.candles)


def test_no_candle_is_lost_while_the_database_crashes_again_and_again(
    pipeline: WriterPipeline,
) -> None:
    with postgres_server() as server, Arrivals(pipeline, seed=2) as arrivals:
        writer = pipeline.writer(FEATURE_STORE_URL=server.url)
        writer.wait_for_log("writing ")
        for _ in range(FAILURES):
            failure = Failure(writer)
            server.crash()
            failure.wait_for_pause()
            server.start()
            failure.wait_for_end()
        arrivals.stop()
        pipeline.wait_until_stored(60, writer)
        stored = server.query(
            "select product_id, window_start from ohlc_1 order by product_id, window_start"
        )
    assert stored == sorted((each.product_id, each.window_start_ms) for each in arrivals.candles)


def test_no_candle_is_lost_while_the_disk_is_full_again_and_again(
    pipeline: WriterPipeline, small_disk: Path
) -> None:
    pipeline.path = small_disk / "features.db"
    filler = small_disk / "filler"
    with Arrivals(pipeline, seed=3) as arrivals:
        writer = pipeline.writer()
        writer.wait_for_log("writing ")
        for _ in range(FAILURES):
            failure = Failure(writer)
            _fill(filler)
            failure.wait_for_pause()
            filler.unlink()
            failure.wait_for_end()
    pipeline.wait_until_stored(60, writer)
    assert pipeline.rows() == expected_rows(arrivals.candles)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4_096)
        except OSError:
            return


def test_no_candle_is_lost_while_the_broker_comes_and_goes(
    own_broker: OwnBroker, pipeline: WriterPipeline, processes: Processes, tmp_path: Path
) -> None:
    """A commit that fails pauses reading, as a failing store does."""
    broker = own_broker()
    away = WriterPipeline(broker.address, pipeline.names, tmp_path / "own", processes)
    writer = away.writer()
    candles: list[Candle] = []
    for flap in range(FAILURES):
        fresh = [candle(flap * 10 + n, product_id=each) for n in range(10) for each in PRODUCTS]
        away.produce(*fresh)
        candles += fresh
        # In the middle of writing and committing them, as chance will have it.
        time.sleep(random.Random(flap).uniform(0, 0.2))
        broker.pause()
        time.sleep(random.Random(flap).uniform(1, 12 if flap == 0 else 3))
        broker.resume()
    away.wait_until_stored(90, writer)
    assert away.rows() == expected_rows(candles)
