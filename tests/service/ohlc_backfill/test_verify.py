"""``make verify`` as a process: a store against an exchange's history and its own candles."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange_simulator.protocols.registry import protocol_class
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_exchanges.base import ExchangeAdapter
from ohlc_exchanges.registry import EXCHANGES, adapter_class
from ohlc_features.sql.store import LocalStore
from support.candles import MINUTE, Driver, rules
from support.simulator import Simulator, start_simulator

pytestmark = pytest.mark.service

_WITH_CANDLES = [
    name
    for name in EXCHANGES
    if adapter_class(name).official_candles is not ExchangeAdapter.official_candles
]


class Verified:
    """A store of the simulated exchange's candles, and ``make verify`` over it."""

    def __init__(self, rest_url: str, folder: Path) -> None:
        self._rest_url = rest_url
        self._folder = folder
        self.database = folder / "features.db"

    def fill(self, simulator: Simulator, exchange: str, product_id: str, *intervals: str) -> None:
        """Write what the aggregator makes of everything that has happened."""
        trades = [
            Trade(
                str(each["trade_id"]),
                Decimal(each["price"]),
                Decimal(each["quantity"]),
                each["side"],
                each["time_ns"] // 1_000,
            )
            for each in simulator.control.trades(product_id)
        ]
        # The windows that are over; the exchange's newest candle is not final either.
        end = trades[-1].timestamp_us // (5 * MINUTE) * 5 * MINUTE
        driver = Driver(rules(*intervals or ("1m", "5m")), ProductKey(exchange, product_id))
        candles = driver.start(trades[0].timestamp_us)
        candles += driver.trades(*(trade for trade in trades if trade.timestamp_us < end))
        candles += driver.watermark(end, final=True)
        store = LocalStore.open(f"sqlite:///{self.database}", "ohlc", 1)
        store.write([candle for candle in candles if candle.complete])
        store.close()

    def run(
        self, exchange: str, product_id: str, **settings: str
    ) -> tuple[int, str, dict[str, Any]]:
        """Return the exit code, what was said, and the report."""
        report = self._folder / "report.json"
        env = {
            "PATH": os.environ["PATH"],
            "EXCHANGE": exchange,
            "PRODUCT_IDS": product_id,
            "OHLC_INTERVALS": "1m,5m",
            "EMPTY_CANDLES": "skip",
            "EXCHANGE_REST_URL": self._rest_url,
            "REST_INTERVAL_SECONDS": "0",
            "FEATURE_STORE_URL": f"sqlite:///{self.database}",
            "VERIFY_REPORT": str(report),
            **settings,
        }
        done = subprocess.run(
            [sys.executable, "-m", "ohlc_backfill.verify"],
            env=env,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        said = done.stdout + done.stderr
        return done.returncode, said, json.loads(report.read_text()) if report.exists() else {}


@pytest.fixture(params=_WITH_CANDLES)
def exchange(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def product_id(exchange: str) -> str:
    return protocol_class(exchange).default_products[0]


@pytest.fixture
def verified(exchange: str, product_id: str, tmp_path: Path) -> Iterator[Verified]:
    with start_simulator(
        exchange=exchange, product_ids=product_id, simulator_history="40m", simulator_rate=1
    ) as simulator:
        simulator.control.pause()
        prepared = Verified(simulator.rest_url, tmp_path)
        prepared.fill(simulator, exchange, product_id)
        yield prepared


def test_equal_candles_agree_and_a_changed_one_does_not(
    verified: Verified, exchange: str, product_id: str
) -> None:
    code, said, report = verified.run(exchange, product_id)
    assert code == 0, said
    assert report["is_equal"]
    assert all(each["expected"] == each["matching"] > 0 for each in report["store"])
    assert all(each["compared"] == each["equal"] > 0 for each in report["official"]), said

    with closing(sqlite3.connect(verified.database)) as database:
        database.execute(
            "UPDATE ohlc_1 SET high = high + 1.5 WHERE candle_interval = '1m' AND window_start = "
            "(SELECT max(window_start) - 120000 FROM ohlc_1 WHERE candle_interval = '1m')"
        )
        database.execute(
            "DELETE FROM ohlc_1 WHERE candle_interval = '5m' AND window_start = "
            "(SELECT max(window_start) FROM ohlc_1 WHERE candle_interval = '5m')"
        )
        database.commit()
    code, said, report = verified.run(exchange, product_id)
    assert code == 1, said
    assert "candles differ" in said
    minutes, fives = report["store"]
    assert (minutes["different"], minutes["largest_difference"]) == (1, {"high": 1.5})
    assert fives["missing"] == 1
    assert not report["is_equal"]
    assert report["official"][0]["compared"] == report["official"][0]["equal"] + 1


def test_a_store_without_the_product_says_so(tmp_path: Path) -> None:
    nothing = Verified("http://127.0.0.1:1", tmp_path)
    LocalStore.open(f"sqlite:///{nothing.database}", "ohlc", 1).close()
    code, said, _ = nothing.run("kraken", "ETH/USD")
    assert code == 1
    assert "the store holds no candle of kraken:ETH/USD" in said


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("console", "FEATURE_STORE was 'console', which keeps nothing to verify"),
        ("hopsworks", "FROM_DAY and TO_DAY were not both set"),
    ],
)
def test_a_store_that_can_not_be_asked_is_a_wrong_setting(
    store: str, words: str, tmp_path: Path
) -> None:
    project = {"HOPSWORKS_PROJECT_NAME": "demo", "HOPSWORKS_API_KEY": "key"}
    verified = Verified("http://127.0.0.1:9", tmp_path)
    code, said, _ = verified.run("kraken", "BTC/USD", FEATURE_STORE=store, **project)
    assert code == 2
    assert words in said
    assert len(said.splitlines()) == 1


def test_weeks_that_begin_on_monday_agree_with_binances(tmp_path: Path) -> None:
    with start_simulator(
        exchange="binance", product_ids="BTC/USDT", simulator_history="25d", simulator_rate=0.005
    ) as simulator:
        simulator.control.pause()
        weekly = Verified(simulator.rest_url, tmp_path)
        weekly.fill(simulator, "binance", "BTC/USDT", "1w@monday")
        code, said, report = weekly.run("binance", "BTC/USDT", OHLC_INTERVALS="1w@monday")
    assert code == 0, said
    (weeks,) = report["official"]
    assert weeks["compared"] == weeks["equal"] >= 2, said
