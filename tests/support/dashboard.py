"""A dashboard over parts that a test moves by hand: no broker, real HTTP, a real SQLite store."""

import contextlib
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from dashboard.main import Server
from dashboard.market import Market
from dashboard.settings import DashboardSettings
from dashboard.store import Store
from dashboard.tail import Tails
from ohlc_core.domain.candle import Candle
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.service.health import Health
from ohlc_core.service.http_server import MonitoringServer, serve
from ohlc_core.service.settings import load
from ohlc_core.service.status import Status
from ohlc_features.define.loading import load_definitions
from ohlc_features.schema import Origin
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle

_NAMES = ("trade-producer", "ohlc-aggregator", "feature-writer")
MINUTE_MS = 60_000
_MOMENTUM = Path(__file__).parents[2] / "features" / "momentum.py"


class FakeTails(Tails):
    """Tails of a broker that answers as long as the test says so."""

    is_there = True

    def start(self) -> None:
        """Read nothing."""

    def join(self, seconds: float) -> None:
        """Nothing runs."""

    @property  # type: ignore[override]
    def answered_at(self) -> float:
        """The Unix time of the last answer."""
        if self.is_there:
            self._last = time.time()
        return self._last

    @answered_at.setter
    def answered_at(self, value: float) -> None:
        self._last = value


class FakeService:
    """The pages of one service."""

    def __init__(self, name: str) -> None:
        self.status = Status(name)
        self.health = Health()
        self.status.say("live", "Live: nothing missing")
        self.status.works_on(exchange="kraken")
        self._server: MonitoringServer | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Answer, at the same port as before."""
        self._server = serve(self.health, "127.0.0.1", self.port, CollectorRegistry(), self.status)
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def minute_candle(product: str, start_ms: int, close: float = 100.0, **changes: Any) -> Candle:
    """Return a minute's candle that closes at a price."""
    price = Decimal(str(close))
    values: dict[str, Any] = {
        "product_id": product,
        "window_start_ms": start_ms,
        "window_end_ms": start_ms + MINUTE_MS,
        "open": price - 1,
        "high": price + 2,
        "low": price - 2,
        "close": price,
        "vwap": price,
    }
    return msgspec.structs.replace(candle(), **{**values, **changes})


class World:
    """The parts and the dashboard over them.

    Attributes:
        url: of the page.

    Args:
        folder: for the store.
        changes: settings of the dashboard, in place of those with a SQLite store.
    """

    def __init__(self, folder: Path, **changes: str) -> None:
        self.services = {name: FakeService(name) for name in _NAMES}
        self.store_path = folder / "features.db"
        addresses = ",".join(
            f"{name}=http://127.0.0.1:{each.port}" for name, each in self.services.items()
        )
        store = {"feature_store_url": f"sqlite:///{self.store_path}"}
        settings = load(
            DashboardSettings,
            _env_file=None,
            dashboard_services=addresses,
            ohlc_intervals="1m,5m",
            **{**store, **changes},
        )
        self._stop = threading.Event()
        self.market = Market(settings.ohlc_intervals)
        self.tails = FakeTails(settings, self.market, self._stop)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        self._server = Server(settings, listening, self.market, self.tails, Store(settings))
        self._server.start()
        self._settings = settings

    def store(self, *candles: Candle, origin: Origin = "live", features: bool = False) -> None:
        """Write candles as the feature writer does; with the shipped features of momentum."""
        definitions = load_definitions(_MOMENTUM) if features else ()
        url = self._settings.feature_store_url
        store = LocalStore.open(url, "ohlc", 1, origin=origin, definitions=definitions)
        try:
            store.write(list(candles))
        finally:
            store.close()

    def predict(self, product: str, window_end: int, value: float, made_at: int) -> None:
        """Keep a prediction as examples/next_minute.py does."""
        key = "exchange, product_id, candle_interval, window_end, horizon"
        with contextlib.closing(sqlite3.connect(self.store_path)) as database:
            columns = f"{key}, value, made_at, PRIMARY KEY ({key})"
            database.execute(f"CREATE TABLE IF NOT EXISTS predictions ({columns})")
            values = ("kraken", product, "1m", window_end, 1, value, made_at)
            database.execute("INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            database.commit()

    def trade(self, product: str, price: float, timestamp_us: int | None = None) -> None:
        """Append a trade to the topic."""
        now_us = time.time_ns() // 1_000 if timestamp_us is None else timestamp_us
        trade = Trade(str(now_us), Decimal(str(price)), Decimal("0.25"), "buy", now_us)
        self.market.trades(ProductKey("kraken", product), [trade])

    def stop(self) -> float:
        """End everything; return how long the dashboard took, in seconds."""
        begin = time.monotonic()
        self._stop.set()
        self._server.stop()
        seconds = time.monotonic() - begin
        with ThreadPoolExecutor() as workers:
            for each in self.services.values():
                workers.submit(each.stop)
        return seconds


def seconds_until(condition: Callable[[], bool], timeout: float) -> float:
    """Return how long it took until the condition was true."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < timeout, f"not within {timeout:g} s"
        time.sleep(0.05)
    return time.monotonic() - begin
