"""Recorded Kraken trades through the whole live pipeline and through the backfill.

Every complete traded minute must equal Kraken's own official candle, and both paths must give the
same bytes.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_core.messages.codec import decode_candle
from ohlc_core.messages.topics import TopicNames, topic_names
from support.candles import newest
from support.feature_db import stored_rows
from support.kafka import OwnBroker, read_topic
from support.market_data import market_file
from support.processes import Processes
from support.simulator import Simulator, start_simulator
from support.wait import wait_until

pytestmark = pytest.mark.e2e

PRODUCT = "BTC/USDT"


def recording() -> tuple[Path, dict[int, tuple[str, ...]]]:
    """Return the recorded trades' file, and Kraken's candles (o h l c volume count) by start ms.

    Only minutes with trades that the recording holds whole: it begins inside its first minute.
    """
    folder = market_file("kraken/rest_official/dev_cut")
    trades = folder / "Trades_before_21Z.json"
    first = json.loads(trades.read_text())["result"]["XBTUSDT"][0][2]
    rows = json.loads((folder / "OHLC_1m_before_21Z.json").read_text())["result"]["XBTUSDT"]
    official = {
        row[0] * 1_000: (*row[1:5], row[6], str(row[7]))
        for row in rows
        if row[7] and row[0] >= first
    }
    assert len(official) == 139
    return trades, official


class Pipeline:
    """The services of one pipeline, live or a backfill, on one broker and one store."""

    def __init__(
        self, broker: LocalBroker, processes: Processes, store: Path, names: TopicNames
    ) -> None:
        self._broker = broker
        self._processes = processes
        self.store = store
        self.names = names
        self._env = {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "RUN_ID": names.run_id,
            "EXCHANGE": "kraken",
            "PRODUCT_IDS": PRODUCT,
            "OHLC_INTERVALS": "1m",
            "EMPTY_CANDLES": "skip",
            "COMMIT_INTERVAL_SECONDS": "0.5",
            "FEATURE_STORE_URL": f"sqlite:///{store}",
            "STATE_DIR": str(store.with_suffix(".state")),
        }

    def start(self, service: str, settings: Mapping[str, str]) -> None:
        for script in ("ohlc-aggregator", "feature-writer"):
            self._processes(script, self._env)
        self._processes(service, self._env | dict(settings))

    def rows(self) -> dict[int, tuple[Decimal, ...]]:
        """Return open, high, low, close, volume and count in the store, by window start."""
        return {
            row.window_start: tuple(
                Decimal(repr(value))
                for value in (row.open, row.high, row.low, row.close, row.volume, row.trade_count)
            )
            for row in stored_rows(self.store).history
        }

    def candle_bytes(self) -> dict[tuple[str, int], bytes]:
        """Return the newest candle of every window as it stands on the topic."""
        records = read_topic(self._broker.address, self.names.ohlc)
        by_bytes = {decode_candle(r.value or b""): r.value or b"" for r in records}
        return {window: by_bytes[candle] for window, candle in newest(by_bytes).items()}


def assert_official(
    rows: Mapping[int, tuple[Decimal, ...]], official: Mapping[int, tuple[str, ...]]
) -> None:
    for start, values in official.items():
        assert rows[start] == tuple(map(Decimal, values)), start
    assert len(rows) - len(official) <= 1, "only the minute the recording begins in may be more"


def test_live_and_backfill_give_krakens_official_candles_and_the_same_bytes(
    own_broker: OwnBroker, processes: Processes, tmp_path: Path
) -> None:
    trades, official = recording()
    broker = own_broker()
    live = Pipeline(broker, processes, tmp_path / "live.db", topic_names())
    replay = Pipeline(broker, processes, tmp_path / "replay.db", topic_names("again"))
    simulator: Simulator
    with start_simulator(
        simulator_trades_file=str(trades),
        simulator_speed="600",
        simulator_hold="first",
        product_ids=PRODUCT,
    ) as simulator:
        addresses = {
            "EXCHANGE_WS_URL": simulator.ws_url,
            "EXCHANGE_REST_URL": simulator.rest_url,
            "REST_INTERVAL_SECONDS": "0.1",
        }
        # Not "window": at this speed a minute of the market passes before the producer has started.
        live.start("trade-producer", addresses | {"START_FROM": "2025-11-10"})
        last = max(official)
        wait_until(lambda: last in live.rows(), 120, "the last recorded minute in the live store")
        replay.start(
            "trade-replayer",
            addresses | {"FROM_DAY": "2025-11-10", "TO_DAY": "2025-11-11"},
        )
        wait_until(lambda: last in replay.rows(), 180, "the last minute in the replay's store")
    assert_official(live.rows(), official)
    assert_official(replay.rows(), official)
    assert live.candle_bytes() == replay.candle_bytes()
    assert stored_rows(live.store) == stored_rows(replay.store)
