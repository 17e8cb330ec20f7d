"""One broker, exchange, state folder and store, under services of this version and of another."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient

from local_stack.brokers import LocalBroker
from ohlc_backfill.verification.expected import ExpectedRows
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.kafka.reader import TopicReader
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
from ohlc_history.trade_table import table_of
from support.consumer_groups import wait_for_no_lag
from support.kafka import read_topic
from support.previous_version import EarlierVersion
from support.processes import Script, start_script
from support.simulator import Simulator, start_simulator_process
from support.wait import wait_until

SERVICES = ("ohlc-aggregator", "feature-writer", "trade-producer")
PRODUCTS = ("BTC/USD", "ETH/USD")
INTERVALS = ("1s", "2s")
LONGEST_MS = 2_000

#: What says the same of a candle in every version.
SHARED = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "trade_count",
    "buy_volume",
    "first_trade_id",
    "last_trade_id",
)

#: Product, interval and start of a window.
WindowKey = tuple[str, str, int]


class Emitted(NamedTuple):
    """What a record of ``ohlc`` says first of all."""

    window: WindowKey
    revision: int
    complete: bool


class Pipeline:
    """Services of any version on one broker; stopped at the end by `close`.

    Args:
        version: whose exchange is simulated.
    """

    def __init__(self, broker: LocalBroker, version: EarlierVersion, folder: Path) -> None:
        self.address = broker.address
        self.folder = folder
        self.state = folder / "state"
        self.store = folder / "store" / "features.db"
        self._started: list[Script] = []
        self.simulator: Simulator = start_simulator_process(
            folder / "exchange",
            version.bin_folder,
            product_ids=PRODUCTS,
            simulator_rate=40,
            simulator_history="2m",
            simulator_seed=9,
        )
        self.env = {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "EXCHANGE_WS_URL": self.simulator.ws_url,
            "EXCHANGE_REST_URL": self.simulator.rest_url,
            "REST_INTERVAL_SECONDS": "0",
            "PRODUCT_IDS": ",".join(PRODUCTS),
            "OHLC_INTERVALS": ",".join(INTERVALS),
            "EMPTY_CANDLES": "skip",
            "COMMIT_INTERVAL_SECONDS": "0.5",
            "FEATURE_STORE_URL": f"sqlite:///{self.store}",
            "STATE_DIR": str(self.state),
        }

    def start(
        self,
        script: str,
        version: EarlierVersion | None = None,
        args: tuple[str, ...] = (),
        settings: Mapping[str, str] | None = None,
    ) -> Script:
        """Start a command of the version, of this one where none is given."""
        bin_folder = None if version is None else version.bin_folder
        of = "present" if version is None else "earlier"
        env = {**self.env, **(settings or {})}
        process = start_script(script, self.folder / of, env, args, bin_folder)
        self._started.append(process)
        return process

    def stop(self, *services: Script) -> None:
        """Ask services to end; each must end well."""
        for each in services:
            assert each.stop() == 0, each.log()

    def stop_all(self, *scripts: str) -> None:
        """Stop what runs of these commands."""
        self.stop(*(each for each in self._started if each.name in scripts and each.is_running))

    def close(self) -> None:
        """End whatever runs."""
        for each in self._started:
            each.kill()
        self.simulator.stop()

    # --- what there is -----------------------------------------------------------------------

    def tables(self) -> set[str]:
        """Return the names of the store's tables."""
        return {str(row["name"]) for row in self._select("sqlite_master where type = 'table'")}

    def rows(self, table: str = "ohlc_1") -> dict[WindowKey, dict[str, Any]]:
        """Return a table's rows by window; none where it does not exist."""
        if not self.store.exists() or table not in self.tables():
            return {}
        return {
            (row["product_id"], row["candle_interval"], row["window_start"]): row
            for row in self._select(table)
        }

    def wait_for_rows(self, since_ms: float = 0, table: str = "ohlc_1") -> None:
        """Wait until every product has a row of the longest interval that began since then."""

        def have_come() -> bool:
            newest = {
                product: start
                for product, interval, start in self.rows(f"{table}_latest")
                if interval == INTERVALS[-1]
            }
            return all(newest.get(product, -1) >= since_ms for product in PRODUCTS)

        wait_until(have_come, 60, f"rows of every product in {table}", every=0.1)

    def wait_for_more(self, topic: str) -> None:
        """Wait until a topic has grown by some records."""
        wanted = len(self.records(topic)) + 6
        wait_until(lambda: len(self.records(topic)) >= wanted, 30, f"more records in {topic}")

    def wait_until_read(self, group: str, topic: str) -> None:
        """Wait until a group has committed the end of a topic."""
        wait_for_no_lag(self.address, group, topic, 60)

    def ends(self) -> dict[str, list[tuple[int, int]]]:
        """Return the end of every partition of every topic, but of what Kafka notes itself."""
        admin = AdminClient({"bootstrap.servers": self.address})
        found = {}
        for topic in admin.list_topics(timeout=30).topics:
            if topic != "__consumer_offsets":
                settings = load(KafkaSettings, kafka_broker_address=self.address)
                with TopicReader(settings, topic) as reader:
                    found[topic] = sorted((p, end) for p, (_, end) in reader.bounds().items())
        return found

    def records(self, topic: str) -> list[dict[str, Any]]:
        """Return every record of a topic."""
        return [json.loads(record.value or b"") for record in read_topic(self.address, topic)]

    def emitted(self) -> list[Emitted]:
        """Return what was appended to ``ohlc``, by any version."""
        return [
            Emitted(
                (each["product_id"], each["interval"], each["window_start_ms"]),
                each["revision"],
                each["complete"],
            )
            for each in self.records("ohlc")
        ]

    def truth(self, from_ms: int, until_ms: int) -> dict[WindowKey, dict[str, Any]]:
        """Return the rows of everything that happened on the exchange in between."""
        found: dict[WindowKey, dict[str, Any]] = {}
        intervals = [Interval.parse(text) for text in INTERVALS]
        for product in PRODUCTS:
            key = ProductKey("kraken", product)
            expected = ExpectedRows(key, intervals, from_ms * 1_000, until_ms * 1_000)
            trades = [
                each
                for each in self._trades(product)
                if from_ms * 1_000 <= each.timestamp_us < until_ms * 1_000
            ]
            for row in [*expected.add(table_of(trades)), *expected.finish()]:
                found[row.product_id, row.candle_interval, row.window_start] = row._asdict()
        return found

    def check_candles(self, *tables: str) -> None:
        """Compare every stored window with the exchange's trades, up to now.

        Of several tables each goes on where the one before it ended.
        """
        until_ms = now_ms() // LONGEST_MS * LONGEST_MS
        self.wait_for_rows(until_ms, tables[-1])
        stored: dict[WindowKey, dict[str, Any]] = {}
        for table in tables:
            rows = self.rows(table)
            assert not rows.keys() & stored.keys(), "a window is stored twice"
            stored |= rows
        stored = {key: row for key, row in stored.items() if row["window_end"] <= until_ms}
        from_ms = min(start for _, interval, start in stored if interval == INTERVALS[-1])
        assert shared(stored) == shared(self.truth(from_ms, until_ms))

    def check_emitted(self) -> None:
        """Check that every candle was emitted once, complete, and that nothing was rejected."""
        assert self.records("trades.dlq") == self.records("ohlc.dlq") == []
        emitted = self.emitted()
        assert all(each.complete and each.revision == 0 for each in emitted)
        assert max(Counter(each.window for each in emitted).values()) == 1

    def _trades(self, product: str) -> Iterator[Trade]:
        for each in self.simulator.control.trades(product):
            yield Trade(
                str(each["trade_id"]),
                Decimal(each["price"]),
                Decimal(each["quantity"]),
                each["side"],
                each["time_ns"] // 1_000,
            )

    def _select(self, what: str) -> list[dict[str, Any]]:
        address = f"file:{self.store}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"select * from {what}")]


def now_ms() -> int:
    """Return this machine's time, which is the simulated exchange's."""
    return time.time_ns() // 1_000_000


def shared(rows: dict[WindowKey, dict[str, Any]]) -> dict[WindowKey, list[Any]]:
    """Return what the rows say of their candles, without who wrote them when."""
    return {key: [row[name] for name in SHARED] for key, row in rows.items()}
