"""The broker's data, the store, or both are lost: the documented commands bring every row back."""

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from local_stack.brokers import kafka_jars
from support.processes import Processes, Script
from support.simulator import Simulator, start_simulator_process
from support.wait import wait_until

pytestmark = pytest.mark.e2e

PRODUCTS = ("BTC/USD", "ETH/USD")
_COLUMNS = "open, high, low, close, volume, vwap, trade_count, buy_volume, complete"

#: What a row says of its candle, by product, interval and start of the window (ms).
Rows = dict[tuple[str, str, int], tuple[object, ...]]


class Lost(NamedTuple):
    """What is gone: folders and files below the folder of the run."""

    name: str
    patterns: tuple[str, ...]


BROKER = ("run/run/broker", "run/run/state")
STORE = ("data/features.db*",)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Simulator]:
    simulator = start_simulator_process(
        tmp_path / "exchange",
        product_ids=PRODUCTS,
        simulator_rate=20,
        simulator_history="2m",
        simulator_seed=4,
    )
    with simulator:
        yield simulator


class Stack:
    """A live run on this machine, as `make run` starts it."""

    def __init__(self, processes: Processes, exchange: Simulator, folder: Path) -> None:
        self.folder = folder
        self._processes = processes
        # By the exchange's clock: a run over midnight needs the day before as well.
        self._from_day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 600))
        self.settings = {
            "LOCAL_BROKER": "kafka",
            "OHLC_INTERVALS": "1s,10s",
            "EXCHANGE_WS_URL": exchange.ws_url,
            "EXCHANGE_REST_URL": exchange.rest_url,
            "REST_INTERVAL_SECONDS": "0",
            "PRODUCT_IDS": ",".join(PRODUCTS),
            "START_FROM": "now",
        }
        self._run: Script | None = None

    def start(self, seconds: float = 0) -> None:
        """Start the live run, and wait for rows of windows that begin so much later."""
        from_ms = time.time_ns() // 1_000_000 + 1_000 * seconds
        self._run = self._processes("local-stack", self.settings, args=("run",))
        wait_until(
            lambda: {p for p, _, start in self.rows() if start > from_ms} == set(PRODUCTS),
            90,
            "rows of every product",
        )

    def stop(self) -> None:
        """Stop the live run with Ctrl-C; it must end well."""
        assert self._run is not None
        self._run.signal(signal.SIGINT)
        assert self._run.wait(60) == 0, self._run.log()

    def backfill(self) -> None:
        """Backfill beside the live run, up to now; its proof must hold."""
        run = self._processes(
            "local-stack", {**self.settings, "FROM_DAY": self._from_day}, args=("backfill",)
        )
        assert run.wait(180) == 0, run.log()

    def lose(self, patterns: tuple[str, ...]) -> None:
        """Delete what is lost; there must be something of each."""
        for pattern in patterns:
            found = list(self.folder.glob(pattern))
            assert found, pattern
            for path in found:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def rows(self) -> Rows:
        """Return the store's rows; none where there is no store yet."""
        path = self.folder / "data" / "features.db"
        if not path.exists():
            return {}
        query = f"select product_id, candle_interval, window_start, {_COLUMNS} from ohlc_1"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            tables = connection.execute("select name from sqlite_master where name = 'ohlc_1'")
            if tables.fetchone() is None:
                return {}
            return {row[:3]: row[3:] for row in connection.execute(query)}


def _holes(rows: Rows) -> list[tuple[str, int]]:
    """Return the windows of 1 s that no row is there for, between the first and the last one."""
    holes = []
    for product in PRODUCTS:
        starts = {start for p, interval, start in rows if (p, interval) == (product, "1s")}
        wanted = range(min(starts), max(starts), 1_000)
        holes += [(product, start) for start in wanted if start not in starts]
    return holes


def test_what_is_lost_comes_back_equal_by_the_documented_commands(
    processes: Processes, exchange: Simulator, tmp_path: Path
) -> None:
    if lacking := kafka_jars.missing():
        pytest.skip(lacking)
    stack = Stack(processes, exchange, tmp_path / "processes")
    stack.start()
    stack.backfill()
    for lost in (Lost("store", STORE), Lost("broker", BROKER), Lost("both", BROKER + STORE)):
        stack.stop()
        before = stack.rows()
        assert before
        stack.lose(lost.patterns)
        stack.start()
        stack.backfill()
        after = stack.rows()
        assert not _holes(after), lost.name
        assert all(row[-1] for row in after.values()), lost.name
        assert {key: after.get(key) for key in before} == before, lost.name
    stack.stop()


def test_state_of_a_lost_broker_is_refused_in_one_line_with_the_remedy(
    processes: Processes, exchange: Simulator, tmp_path: Path
) -> None:
    if lacking := kafka_jars.missing():
        pytest.skip(lacking)
    stack = Stack(processes, exchange, tmp_path / "processes")
    # Long enough that the new changelog topic is shorter when state is saved for the first time.
    stack.start(25)
    stack.stop()
    stack.lose(("run/run/broker",))
    run = processes("local-stack", stack.settings, args=("run",))
    assert run.wait(120) == 1, run.log()
    assert f"STATE_DIR={stack.folder / 'run/run/state'} is of a changelog topic that is gone" in (
        run.log()
    )
    assert "Delete the folder and start again" in run.log()
    assert "Traceback" not in run.log()
