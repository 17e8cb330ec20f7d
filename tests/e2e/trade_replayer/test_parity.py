"""The same market live under faults and as a backfill: the same candles and feature rows.

PARITY_TRADES=10000000 PARITY_RATE=10000 makes the market larger and busier than the everyday one.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine

from exchange_simulator.faults.schedule import random_orders
from ohlc_features.checking.brute_force import stored_features
from ohlc_features.define.loading import load_definitions
from ohlc_features.schema import FeatureRow
from support.consumer_groups import wait_for_no_lag
from support.feature_db import stored_rows
from support.kafka import OwnBroker
from support.processes import Processes
from support.simulator import ControlClient, start_simulator_process
from support.wait import wait_until

pytestmark = pytest.mark.e2e

TRADES = int(os.environ.get("PARITY_TRADES", "60000"))
FAULTS = 25 + TRADES // 200_000
DEFINITIONS = Path(__file__).resolve().parents[2] / "support" / "definitions" / "parity.py"
Rows = dict[tuple[str, str, int], FeatureRow]

PRODUCTS = ("BTC/USD", "ETH/USD", "LTC/USD")  # the last one trades once in a few minutes
SPEED = 40  # simulated seconds a second
RATE = int(os.environ.get("PARITY_RATE", "4000"))  # trades a second
_SECONDS = 120 + TRADES / RATE * 4


@pytest.mark.timeout(600 + 3 * _SECONDS)
def test_live_under_faults_equals_backfill(
    own_broker: OwnBroker, processes: Processes, tmp_path: Path
) -> None:
    broker = own_broker()
    simulator = start_simulator_process(
        tmp_path / "exchange",
        product_ids=PRODUCTS,
        simulator_start="2023-01-02T00:00:00",
        simulator_history="0",
        simulator_rate=RATE / SPEED,
        simulator_speed=str(SPEED),
        simulator_hold="all",
        simulator_seed=7,
    )
    env = {
        "KAFKA_BROKER_ADDRESS": broker.address,
        "EXCHANGE_WS_URL": simulator.ws_url,
        "EXCHANGE_REST_URL": simulator.rest_url,
        "REST_INTERVAL_SECONDS": "0",
        "PRODUCT_IDS": ",".join(PRODUCTS),
        "OHLC_INTERVALS": "1s,1m",
        # The market's clock is not this machine's, where a backfill without TO_DAY ends.
        "EMPTY_CANDLES": "skip",
        "FEATURE_DEFINITIONS": str(DEFINITIONS),
        "COMMIT_INTERVAL_SECONDS": "0.5",
    }
    with simulator:
        faults = random_orders(seed=7, count=FAULTS, trades=TRADES, products=PRODUCTS)
        simulator.control.order(*(msgspec.to_builtins(order) for order in faults))
        live = run_live(processes, env, tmp_path / "live.db", simulator.control)
        for group, topic in (("ohlc-aggregator", "trades"), ("feature-writer", "ohlc")):
            wait_for_no_lag(broker.address, group, topic, 60 + _SECONDS)
        back = tmp_path / "backfill.db"
        backfill = processes(
            "local-stack",
            {**env, "FEATURE_STORE_URL": f"sqlite:///{back}", "FROM_DAY": "2023-01-02"},
            args=("backfill",),
        )
        assert backfill.wait(120 + _SECONDS) == 0, backfill.log()
    assert_equal(by_window(live), by_window(back))
    assert_equal_features(live, back)


def run_live(
    processes: Processes, env: Mapping[str, str], store: Path, control: ControlClient
) -> Path:
    """Run the live pipeline until TRADES have happened and their candles are in the store."""
    ours = {
        **env,
        "FEATURE_STORE_URL": f"sqlite:///{store}",
        "STATE_DIR": str(store.with_suffix(".state")),
        "START_FROM": "window",
    }
    for script in ("ohlc-aggregator", "feature-writer", "trade-producer"):
        processes(script, ours)

    def happened() -> bool:
        return sum(each["trades"] for each in control.state()["products"].values()) >= TRADES

    wait_until(happened, 60 + _SECONDS, f"{TRADES} trades", every=0.5)
    # Nothing that was ordered may go on for ever; then time moves on until all was sent.
    control.clear()
    shown = {product: newest_ms(control, product) for product in PRODUCTS[:2]}
    wait_until(
        lambda: all(
            any(row.product_id == product and row.window_end > until for row in latest(store))
            for product, until in shown.items()
        ),
        60 + _SECONDS,
        "the last trades' candles",
        every=0.5,
    )
    control.pause()
    return store


def newest_ms(control: ControlClient, product: str) -> int:
    last = control.state()["products"][product]["last_id"]
    time_ns: int = control.trades(product, from_id=last)[-1]["time_ns"]
    return time_ns // 1_000_000


def latest(store: Path) -> list[FeatureRow]:
    return stored_rows(store).latest


def by_window(store: Path) -> Rows:
    return {
        (row.product_id, row.candle_interval, row.window_start): row._replace(revision=0)
        for row in stored_rows(store).history
    }


def assert_equal(live: Rows, back: Rows) -> None:
    """Every live candle is the backfill's; the backfill has no other one in between.

    At its ends live lacks what it had not closed when time stopped.
    """
    assert {window for window in live if live[window] != back.get(window)} == set()
    for product in PRODUCTS:
        for interval in ("1s", "1m"):
            starts = [start for key in live if key[:2] == (product, interval) for start in key[2:]]
            if not starts:
                continue
            between = {
                key
                for key in back
                if key[:2] == (product, interval) and min(starts) <= key[2] <= max(starts)
            }
            assert between <= live.keys()
    assert sum(row.trade_count for row in live.values() if row.candle_interval == "1s") > (
        TRADES * 0.9
    )


def assert_equal_features(live: Path, back: Path) -> None:
    """Every feature row of live is the backfill's, to the byte, up to where live had all inputs."""
    group = load_definitions(DEFINITIONS)[0].group
    engines = {path: create_engine(f"sqlite:///{path}") for path in (live, back)}
    try:
        rows = {path: stored_features(engine, group.table) for path, engine in engines.items()}
        # A row's joint inputs may not have come yet when time stopped.
        newest: dict[tuple[str, str], int] = {}
        for _, product, interval, end in rows[live]:
            newest[product, interval] = max(end, newest.get((product, interval), 0))
        # The third product may not have traded at all.
        until = {
            interval: min(end for key, end in newest.items() if key[1] == interval)
            for interval in group.intervals
        }
        whole = {key: row for key, row in rows[live].items() if key[3] <= until[key[2]]}
        assert {key for key, row in whole.items() if rows[back].get(key) != row} == set()
        assert sum(row[-1] is True for row in whole.values()) > len(whole) // 2
    finally:
        for engine in engines.values():
            engine.dispose()
