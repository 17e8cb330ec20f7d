"""Every recording of a real market live under faults and as a backfill: the same candles.

The feature rows of both are those of brute force over their candles.

All markets run at the same time: a simulated exchange and a producer each, one broker, one
aggregator and one writer for all of them; then a replayer each, into another aggregator and writer.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
from sqlalchemy import create_engine

from exchange_simulator.faults.schedule import random_orders
from exchange_simulator.market.played import product_of_key
from local_stack.brokers import LocalBroker
from ohlc_core.messages.topics import TopicNames, topic_names
from ohlc_exchanges.registry import adapter_class
from ohlc_features.checking.brute_force import (
    computed_features,
    stored_candles,
    stored_features,
)
from ohlc_features.define.loading import load_definitions
from ohlc_features.schema import FeatureRow
from support.consumer_groups import wait_for_no_lag
from support.feature_db import stored_rows
from support.kafka import OwnBroker, read_topic
from support.processes import Processes
from support.recorded_markets import RECORDED_MARKETS, RecordedMarket, Rows
from support.simulator import Simulator, start_simulator
from support.trades_topic import read_trades
from support.wait import wait_until

pytestmark = pytest.mark.e2e

_DEFINITIONS = Path(__file__).resolve().parents[2] / "support" / "definitions" / "parity.py"
_PLAY_SECONDS = 20
_GRACE_MS = 1_000
_DEADLINE = 240.0
_COLUMNS = ("trade_id", "price", "quantity", "side")

Windows = dict[tuple[str, str, str, int], FeatureRow]


class Playing:
    """One recorded market on its simulated exchange."""

    def __init__(self, market: RecordedMarket, folder: Path) -> None:
        self.market = market
        path, rows = market.write(folder)
        self.simulator = _simulator(market, path, rows)
        stamps = [trade.timestamp_us for trades in rows.values() for trade in trades]
        self.first, self.last = (_day(us) for us in (min(stamps), max(stamps)))
        self.products = tuple(map(product_of_key, rows))
        self.trades = len(stamps)

    def env(self, broker: LocalBroker) -> dict[str, str]:
        """The settings of its producer and of its replayer."""
        return {
            "EXCHANGE": self.market.exchange,
            "EXCHANGE_WS_URL": self.simulator.ws_url,
            "EXCHANGE_REST_URL": self.simulator.rest_url,
            "REST_INTERVAL_SECONDS": "0.02",
            "CONNECT_BACKOFF_SECONDS": "0.1",
            "KAFKA_BROKER_ADDRESS": broker.address,
            "PRODUCT_IDS": ",".join(self.products),
            "OHLC_INTERVALS": "1s,1m",
            "EMPTY_CANDLES": "skip",
        }

    def history(self, folder: Path) -> dict[str, str]:
        """Where the replayer finds the market: REST, or a file where REST has only one day."""
        days = {
            "FROM_DAY": f"{self.first:%Y-%m-%d}",
            "TO_DAY": f"{self.last + timedelta(days=1):%Y-%m-%d}",
        }
        if adapter_class(self.market.exchange).history_reach is None:
            return {**days, "REPLAY_CACHE": "off"}
        (product,) = self.products
        shown = self.simulator.control.trades(product)
        columns = {name: [each[name] for each in shown] for name in _COLUMNS}
        path = folder / f"{self.market.name}-{product.replace('/', '')}.parquet"
        pl.DataFrame({**columns, "ts": [t["time_ns"] for t in shown]}).write_parquet(path)
        return {**days, "REPLAY_SOURCE": "files", "REPLAY_PATH": str(path)}

    def order_faults(self) -> int:
        """Order a fault for every fifth of the trades, at most 12; return how many."""
        count = min(12, max(2, self.trades // 5))
        orders = random_orders(self.trades, count, self.trades, self.products)
        self.simulator.control.order(*(msgspec.to_builtins(order) for order in orders))
        return count


def _day(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC)


def _simulator(market: RecordedMarket, path: Path, rows: Rows) -> Simulator:
    stamps = [trade.timestamp_us for trades in rows.values() for trade in trades]
    seconds = (max(stamps) - min(stamps)) / 1e6
    return start_simulator(
        exchange=market.exchange,
        product_ids=tuple(product_of_key(pair) for pair in rows),
        simulator_trades_file=str(path),
        simulator_speed=str(max(1.0, round(seconds / _PLAY_SECONDS, 1))),
        simulator_hold="all",
    )


def windows(store: Path) -> Windows:
    """Return the rows of a store by window, without what the way of arrival decides."""
    return {
        (row.exchange, row.product_id, row.candle_interval, row.window_start): row._replace(
            revision=0
        )
        for row in stored_rows(store).history
    }


def start_pipeline(
    processes: Processes, broker: LocalBroker, names: TopicNames, store: Path
) -> None:
    env = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "RUN_ID": names.run_id,
        "OHLC_INTERVALS": "1s,1m",
        "EMPTY_CANDLES": "skip",
        "COMMIT_INTERVAL_SECONDS": "0.5",
        # Weeks pass within seconds, and a trade whose frame was skipped shows with the next one.
        "LATE_RETENTION": "30d",
        "FEATURE_STORE_URL": f"sqlite:///{store}",
        "FEATURE_DEFINITIONS": str(_DEFINITIONS),
        "STATE_DIR": str(store.with_suffix(".state")),
    }
    for script in ("ohlc-aggregator", "feature-writer"):
        processes(script, env)


def wait_until_stored(broker: LocalBroker, names: TopicNames) -> None:
    wait_for_no_lag(broker.address, names.aggregator_group, names.trades, _DEADLINE)
    wait_for_no_lag(broker.address, names.writer_group, names.ohlc, _DEADLINE)


def missing_ids(broker: LocalBroker, playing: list[Playing]) -> dict[str, int]:
    """Return how many trades of each market the live topic lacks."""
    records = read_topic(broker.address, topic_names().trades)
    lacking: dict[str, int] = {}
    for each in playing:
        prefix = f"{each.market.exchange}:".encode()
        ids = read_trades(r for r in records if (r.key or b"").startswith(prefix)).ids
        # Not the recorded ids: the simulated Bitstamp numbers the trades of all its pairs again.
        lack = sum(
            len(set(each.simulator.control.ids(product)) - set(ids.get(product, [])))
            for product in each.products
        )
        if lack:
            lacking[f"{each.market.exchange} {each.market.name}"] = lack
    return lacking


@pytest.mark.timeout(900)
def test_every_recording_gives_the_same_candles_live_under_faults_and_as_backfill(
    own_broker: OwnBroker, processes: Processes, tmp_path: Path
) -> None:
    broker = own_broker()
    again = topic_names("again")
    stores = {"live": tmp_path / "live.db", "back": tmp_path / "back.db"}
    with ExitStack() as stack:
        playing = [
            Playing(market, tmp_path / f"{market.exchange}-{market.name}")
            for market in RECORDED_MARKETS
        ]
        for each in playing:
            stack.enter_context(each.simulator)
        assert sum(each.order_faults() for each in playing) > 50
        start_pipeline(processes, broker, topic_names(), stores["live"])
        for each in playing:
            start = {"START_FROM": f"{each.first:%Y-%m-%d}"}
            processes("trade-producer", each.env(broker) | start)
        for each in playing:
            each.simulator.control.wait_exhausted(_DEADLINE)
            each.simulator.control.clear()
            each.simulator.control.order({"fault": "drop", "when": "now"})
        wait_until(
            lambda: not missing_ids(broker, playing), _DEADLINE, "every trade in the topic", 0.5
        )
        wait_until_stored(broker, topic_names())
        start_pipeline(processes, broker, again, stores["back"])
        for each in playing:
            run = {"RUN_ID": again.run_id, **each.history(tmp_path)}
            replay = processes("trade-replayer", each.env(broker) | run)
            assert replay.wait(_DEADLINE) == 0, replay.log()
        wait_until_stored(broker, again)
    assert_equal(windows(stores["live"]), windows(stores["back"]), playing)
    for store in stores.values():
        assert_features_are_brute_force(store)


def assert_equal(live: Windows, back: Windows, playing: list[Playing]) -> None:
    """Every live candle is the backfill's; what the grace holds open at the end may be missing."""
    differing = {key: (row, back.get(key)) for key, row in live.items() if row != back.get(key)}
    assert not differing, differing
    newest: Mapping[tuple[str, str, str], int] = {
        window[:3]: max(key[3] for key in back if key[:3] == window[:3]) for window in back
    }
    unclosed = {window: row.window_end for window, row in back.items() if window not in live}
    # No trade may be later than the newest window's start, and no watermark may have come yet.
    late = {each for each, end in unclosed.items() if end + _GRACE_MS <= newest[each[:3]]}
    assert late == set()
    products = {(each.market.exchange, product) for each in playing for product in each.products}
    assert len(products) >= 18
    assert {key[:2] for key in back} <= products
    counted = sum(row.trade_count for key, row in live.items() if key[2] == "1s")
    recorded = sum(each.trades for each in playing)
    assert counted > recorded * 0.9, f"{counted} of {recorded} trades are in live candles"


def assert_features_are_brute_force(store: Path) -> None:
    """Every feature row is what the stored candles alone give."""
    (defined,) = load_definitions(_DEFINITIONS)
    engine = create_engine(f"sqlite:///{store}")
    try:
        expected = computed_features(stored_candles(engine), defined.group)
        found = stored_features(engine, defined.group.table)
    finally:
        engine.dispose()
    assert found.keys() == expected.keys()
    assert {key for key, row in found.items() if row != expected[key]} == set()
    numbers = sum(value is not None for row in found.values() for value in row[:-1])
    assert numbers > 0, f"none of {len(found)} rows has a number"
