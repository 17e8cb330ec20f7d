"""A package of its own adds an exchange, a source and a store: `examples/plugins`, installed."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.messages.codec import decode_candle, decode_trades_topic, encode_candle
from ohlc_core.messages.records import TradesMessage
from ohlc_core.messages.topics import TopicNames
from support.candle_records import candle, record_key
from support.consumer_groups import wait_for_no_lag
from support.kafka import create_topics, produce, read_topic
from support.processes import Processes
from support.simulator import start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.service

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "plugins"
SUITE = """
import sys
import duckdb
from ohlc_features.checking.store_suite import check_store
from ohlc_features.factory import open_store
from ohlc_features.schema import FeatureRow
from ohlc_features.settings import FeatureStoreSettings

def rows():
    with duckdb.connect(sys.argv[1]) as database:
        return [FeatureRow._make(row) for row in database.execute("FROM candles").fetchall()]

settings = FeatureStoreSettings(feature_store="duckdb")
check_store(lambda **how: open_store(settings, **how), rows)
"""
BROKEN = {
    "METADATA": "Metadata-Version: 2.1\nName: broken-store\nVersion: 1\n",
    "entry_points.txt": "[ohlc_pipeline.stores]\nbroken = nowhere_at_all:open\n",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder the example is installed in, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("plugins")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(folder), str(EXAMPLE)]
    subprocess.run(command, check=True, timeout=120)
    return str(folder)


def test_added_store_passes_the_suite_of_every_store(installed: str, tmp_path: Path) -> None:
    path = str(tmp_path / "candles.duckdb")
    ran = subprocess.run(
        [sys.executable, "-c", SUITE, path],
        env={"PYTHONPATH": installed, "DUCKDB_PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_writer_fills_an_added_store(
    broker: LocalBroker,
    unique_topics: TopicNames,
    processes: Processes,
    installed: str,
    tmp_path: Path,
) -> None:
    candles = [candle(window, close=str(100 + window)) for window in range(5)]
    create_topics(broker.address, unique_topics.ohlc)
    produce(
        broker.address,
        unique_topics.ohlc,
        [(record_key(each), encode_candle(each)) for each in candles],
    )
    env = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": unique_topics.run_id,
        "FEATURE_STORE": "duckdb",
        "DUCKDB_PATH": str(tmp_path / "candles.duckdb"),
        "PYTHONPATH": installed,
    }
    writer = processes("feature-writer", env)
    wait_for_no_lag(broker.address, unique_topics.writer_group, unique_topics.ohlc, 40, writer)
    assert writer.stop() == 0, writer.log()
    with duckdb.connect(env["DUCKDB_PATH"]) as database:
        stored = database.execute("SELECT close FROM candles ORDER BY window_start").fetchall()
    assert [row[0] for row in stored] == [float(each.close) for each in candles]


def test_added_source_replays_a_format_of_its_own(
    broker: LocalBroker,
    unique_topics: TopicNames,
    processes: Processes,
    installed: str,
    tmp_path: Path,
) -> None:
    lines = [f"{1_672_531_200_000_000 + n * 250_000} {90 + n % 7}.50 0.1" for n in range(1_000)]
    (tmp_path / "BTC-USD.ticks").write_text("\n".join(lines) + "\n", encoding="ascii")
    env = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": unique_topics.run_id,
        "REPLAY_SOURCE": "ticks",
        "TICKS_FOLDER": str(tmp_path),
        "PRODUCT_IDS": "BTC/USD",
        "FROM_DAY": "2023-01-01",
        "TO_DAY": "2023-01-02",
        "PYTHONPATH": installed,
    }
    replayer = processes("trade-replayer", env)
    assert replayer.wait(60) == 0, replayer.log()
    trades = [
        trade
        for record in read_topic(broker.address, unique_topics.trades)
        if isinstance(message := decode_trades_topic(record.value or b""), TradesMessage)
        for trade in message.trades
    ]
    assert len(trades) == 1_000
    assert trades[1].price == Decimal("91.5")


def test_added_exchange_runs_live_and_its_ids_count_up(
    broker: LocalBroker,
    unique_topics: TopicNames,
    processes: Processes,
    installed: str,
) -> None:
    with start_simulator(
        exchange="binance", product_ids="BTC/USDT", simulator_rate=60, simulator_history="1m"
    ) as simulator:
        env = {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "RUN_ID": unique_topics.run_id,
            "EXCHANGE": "binance-us",
            "EXCHANGE_WS_URL": simulator.ws_url,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "PRODUCT_IDS": "BTC/USDT",
            "OHLC_INTERVALS": "1s",
            "PYTHONPATH": installed,
        }
        producer = processes("trade-producer", env)
        aggregator = processes("ohlc-aggregator", env)

        def complete() -> int:
            records = read_topic(broker.address, unique_topics.ohlc)
            candles = [decode_candle(record.value or b"") for record in records]
            return sum(each.complete and each.exchange == "binance-us" for each in candles)

        wait_until(lambda: complete() >= 3, 60, "complete candles of the added exchange")
        assert producer.stop() == 0, producer.log()
        assert aggregator.stop() == 0, aggregator.log()


def test_unknown_name_is_refused_with_the_added_ones(processes: Processes, installed: str) -> None:
    env = {"EXCHANGE": "binance-uk", "PYTHONPATH": installed}
    producer = processes("trade-producer", env)
    assert producer.wait(30) == 2
    assert "EXCHANGE was 'binance-uk' (there is no such exchange; installed packages add " in (
        producer.log()
    )
    assert "binance-us" in producer.log()


def test_package_that_cannot_be_imported_is_named_in_one_line(
    processes: Processes, tmp_path: Path
) -> None:
    folder = tmp_path / "broken_store-1.dist-info"
    folder.mkdir()
    for name, text in BROKEN.items():
        (folder / name).write_text(text, encoding="utf-8")
    env = {"FEATURE_STORE": "broken", "PYTHONPATH": str(tmp_path)}
    writer = processes("feature-writer", env)
    assert writer.wait(30) == 2, writer.log()
    assert "broken of the package broken-store cannot be imported" in writer.log()
    assert "Traceback" not in writer.log()
