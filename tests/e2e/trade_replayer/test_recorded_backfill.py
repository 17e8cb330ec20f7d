"""Recorded history through the whole backfill command: replayer, aggregator, writer, proof."""

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker
from ohlc_features.schema import FeatureRow
from support.feature_db import stored_rows
from support.market_data import market_file
from support.processes import Processes

pytestmark = pytest.mark.e2e

_BACKFILL_SECONDS = 150


def backfill(
    broker: LocalBroker, processes: Processes, folder: Path, settings: Mapping[str, str]
) -> list[FeatureRow]:
    """Run ``local-stack backfill`` to its end and return what is in the store."""
    store = folder / "features.db"
    run = processes(
        "local-stack",
        {
            "KAFKA_BROKER_ADDRESS": broker.address,
            "FEATURE_STORE_URL": f"sqlite:///{store}",
            "REPLAY_SOURCE": "files",
            **settings,
        },
        args=("backfill",),
    )
    assert run.wait(_BACKFILL_SECONDS) == 0, run.log()
    assert "verified by count and checksum" in run.log()
    return stored_rows(store).history


def test_recorded_trades_give_krakens_official_candles(
    broker: LocalBroker, processes: Processes, tmp_path: Path, unique_run_id: str
) -> None:
    folder = market_file("kraken/rest_official/dev_cut")
    rows = backfill(
        broker,
        processes,
        tmp_path,
        {
            "REPLAY_PATH": str(folder),
            "PRODUCT_IDS": "BTC/USDT",
            "OHLC_INTERVALS": "1m",
            "EMPTY_CANDLES": "skip",
            "RUN_ID": unique_run_id,
        },
    )
    by_start = {row.window_start: row for row in rows}
    first = json.loads((folder / "Trades_before_21Z.json").read_text())["result"]["XBTUSDT"][0][2]
    official = json.loads((folder / "OHLC_1m_before_21Z.json").read_text())["result"]["XBTUSDT"]
    whole = [row for row in official if row[7] and row[0] >= first]
    assert len(whole) == 139
    for start, open_, high, low, close, _, volume, count in whole:
        row = by_start[start * 1_000]
        ours = (row.open, row.high, row.low, row.close, row.volume)
        assert ours == tuple(float(text) for text in (open_, high, low, close, volume)), start
        assert row.trade_count == count
    # The minute the recording begins in is not whole, so it is nobody's.
    assert len(rows) == 139


def test_pages_without_ids_give_another_programs_candles(
    broker: LocalBroker, processes: Processes, tmp_path: Path, unique_run_id: str
) -> None:
    pages = market_file("kraken/rest_pages")
    rows = backfill(
        broker,
        processes,
        tmp_path,
        {
            "REPLAY_PATH": str(pages),
            "PRODUCT_IDS": "GRT/ETH",
            "FROM_DAY": "2021-03-28",
            "TO_DAY": "2021-05-10",
            "OHLC_INTERVALS": "1m,5m,1h",
            "EMPTY_CANDLES": "skip",
            "RUN_ID": unique_run_id,
        },
    )
    by_window = {(row.candle_interval, row.window_start): row for row in rows}
    compared = 0
    for interval, name in (("1m", "1M"), ("5m", "5M"), ("1h", "1H")):
        theirs = tool_candles(pages / "tool_candles", name)
        assert theirs
        end = max(theirs)
        ours = {start for kind, start in by_window if kind == interval and start <= end}
        assert ours == set(theirs)
        for start, (open_, high, low, close, volume) in theirs.items():
            row = by_window[interval, start]
            assert (row.open, row.high, row.low, row.close) == (open_, high, low, close), start
            assert row.volume == pytest.approx(volume, abs=1e-6)
            compared += 1
    assert compared > 4_000


def tool_candles(folder: Path, name: str) -> dict[int, tuple[float, ...]]:
    """Return the program's candles with trades, by window start in ms."""
    (path,) = folder.glob(f"*_{name}.csv")
    candles = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["open"]:
                start = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC)
                values = (row["open"], row["high"], row["low"], row["close"], row["volume"])
                candles[int(start.timestamp()) * 1_000] = tuple(map(float, values))
    return candles
