"""History up to the live stream, live from there: no hole, no double, no other candle.

Live and backfill write the same store while the simulated exchange trades on.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from local_stack.brokers import LocalBroker
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_features.schema import FeatureRow
from ohlc_history.trade_table import table_of
from support.feature_db import stored_rows
from support.kafka import OwnBroker
from support.processes import Processes, Script
from support.simulator import Simulator, start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.e2e

PRODUCTS = ("BTC/USD", "ETH/USD")
INTERVALS = ("1s", "5s")


class HandOver:
    """A live pipeline and a backfill on one broker, exchange and store."""

    def __init__(
        self, broker: LocalBroker, processes: Processes, folder: Path, simulator: Simulator
    ) -> None:
        self.simulator = simulator
        self.store = folder / "store" / "features.db"
        self._processes = processes
        self._env = {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "EXCHANGE_WS_URL": simulator.ws_url,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "PRODUCT_IDS": ",".join(PRODUCTS),
            "OHLC_INTERVALS": ",".join(INTERVALS),
            "EMPTY_CANDLES": "skip",
            "COMMIT_INTERVAL_SECONDS": "0.5",
            "FEATURE_STORE_URL": f"sqlite:///{self.store}",
            "STATE_DIR": str(folder / "live-state"),
        }

    def start_live(self) -> None:
        """Start the live services; the stream begins inside a window, with nothing before it."""
        for script in ("ohlc-aggregator", "feature-writer"):
            self._processes(script, self._env)
        self._processes("trade-producer", self._env | {"START_FROM": "now"})

    def start_backfill(self, settings: Mapping[str, str]) -> Script:
        """Start ``local-stack backfill`` from yesterday until now."""
        yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
        env = self._env | {"FROM_DAY": str(yesterday)} | dict(settings)
        backfill: Script = self._processes("local-stack", env, args=("backfill",))
        return backfill

    def start_run(self) -> Script:
        """Start ``local-stack run``, the live pipeline as a user starts it."""
        run: Script = self._processes("local-stack", self._env, args=("run",))
        return run

    def wait_for_live_rows(self, since_ms: int) -> None:
        """Wait until the newest row of every product is of a window that began since then."""
        wait_until(
            lambda: all(
                any(
                    row.product_id == product and row.window_start >= since_ms
                    for row in stored_rows(self.store).latest
                )
                for product in PRODUCTS
            ),
            90,
            "live candles of every product",
        )

    def rows(self, until_ms: int) -> dict[tuple[str, str, int], FeatureRow]:
        """Return the history's rows whose windows ended by then."""
        return {
            (row.product_id, row.candle_interval, row.window_start): row._replace(revision=0)
            for row in stored_rows(self.store).history
            if row.window_end <= until_ms
        }

    def truth(self, until_ms: int) -> dict[tuple[str, str, int], FeatureRow]:
        """Return the rows of everything that has happened on the exchange."""
        found: dict[tuple[str, str, int], FeatureRow] = {}
        for product in PRODUCTS:
            trades = [
                Trade(
                    str(each["trade_id"]),
                    Decimal(each["price"]),
                    Decimal(each["quantity"]),
                    each["side"],
                    each["time_ns"] // 1_000,
                )
                for each in self.simulator.control.trades(product)
            ]
            intervals = [Interval.parse(text) for text in INTERVALS]
            expected = ExpectedRows(ProductKey("kraken", product), intervals, 0, until_ms * 1_000)
            inside = [trade for trade in trades if trade.timestamp_us < until_ms * 1_000]
            for row in [*expected.add(table_of(inside)), *expected.finish()]:
                found[row.product_id, row.candle_interval, row.window_start] = row
        return found

    def check(self) -> None:
        """Wait until live has gone on for some windows, and compare everything."""
        until_ms = (int(time.time()) // 5 + 1) * 5_000
        self.wait_for_live_rows(until_ms + 5_000)
        assert self.rows(until_ms) == self.truth(until_ms)


@pytest.fixture
def hand_over(own_broker: OwnBroker, processes: Processes, tmp_path: Path) -> Iterator[HandOver]:
    simulator = start_simulator(
        product_ids=",".join(PRODUCTS), simulator_rate=40, simulator_history="8m", simulator_seed=5
    )
    with simulator:
        yield HandOver(own_broker(), processes, tmp_path, simulator)


def test_backfill_while_live_runs(hand_over: HandOver) -> None:
    hand_over.start_live()
    hand_over.wait_for_live_rows(0)
    backfill = hand_over.start_backfill({"REST_INTERVAL_SECONDS": "0"})
    assert backfill.wait(120) == 0, backfill.log()
    hand_over.check()


def test_live_starts_while_the_backfill_runs(hand_over: HandOver, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    backfill = hand_over.start_backfill(
        {"REST_INTERVAL_SECONDS": "0.5", "REPLAY_CACHE": str(pages)}
    )
    wait_until(lambda: list(pages.rglob("*.json")), 90, "the replay to be under way")
    replayer = replayer_of(backfill)
    replayer.suspend()  # however long live takes to begin, it begins meanwhile
    hand_over.start_live()
    hand_over.wait_for_live_rows(0)
    replayer.resume()
    assert backfill.wait(180) == 0, backfill.log()
    hand_over.check()


def replayer_of(backfill: Script) -> psutil.Process:
    children = psutil.Process(backfill.pid).children(recursive=True)
    return next(each for each in children if "trade-replayer" in " ".join(each.cmdline()))


def test_live_started_behind_a_backfill_begins_where_the_store_ends(hand_over: HandOver) -> None:
    backfill = hand_over.start_backfill({"REST_INTERVAL_SECONDS": "0"})
    assert backfill.wait(120) == 0, backfill.log()
    run = hand_over.start_run()
    run.wait_for_log("where the store ends", 60)
    hand_over.check()
    assert run.stop() == 0, run.log()
