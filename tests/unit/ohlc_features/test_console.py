"""The console store: exact JSON lines for programs, a table of newest candles for people."""

import io
import json
import os
from decimal import Decimal

import pytest

from ohlc_core.messages.codec import encode_candle
from ohlc_features.console.store import open_console, open_console_with_groups
from ohlc_features.define import Candles, FeatureGroup, Value, ta
from ohlc_features.define.loading import DefinedGroup
from ohlc_features.errors import StoreRejectedError
from support.candle_records import MONDAY_MS, candle

group = FeatureGroup("probe", version=3, intervals=["1m"])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_revision_is_a_line_of_exactly_its_records_json() -> None:
    out = io.StringIO()
    candles = [candle(0, volume=Decimal("0.00000001")), candle(0, revision=1)]
    store = open_console(out)
    store.write(candles)
    store.close()
    assert out.getvalue().encode().splitlines() == [encode_candle(each) for each in candles]


@group.feature(window=2)
def change(c: Candles) -> Value:
    return ta.returns(c.close)


DEFINED = DefinedGroup(group, "source", "hash")


def test_feature_rows_are_lines_of_their_own() -> None:
    out = io.StringIO()
    store = open_console_with_groups([DEFINED], out)
    store.write([candle(0, close="2"), candle(1, close="3")])
    store.write([candle(0, close="4", revision=1, trade_count=42)])
    store.close()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    rows = [line for line in lines if line["type"] == "feature_row"]
    assert len(lines) - len(rows) == 3
    assert rows[0] == {
        "type": "feature_row",
        "group": "probe",
        "version": 3,
        "exchange": "kraken",
        "product_id": "BTC/USD",
        "interval": "1m",
        "window_start_ms": MONDAY_MS,
        "window_end_ms": MONDAY_MS + 60_000,
        "features": {"change": None},
        "complete": False,
    }
    assert [row["features"]["change"] for row in rows] == [None, 0.5, None, -0.25]


def test_terminal_shows_the_newest_feature_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    store = open_console_with_groups([DEFINED], out)
    store.write([candle(n, close=str(n + 1)) for n in range(4)])
    store.close()
    shown = out.getvalue()[out.getvalue().rindex("newest rows of probe_3") :]
    assert "0.333333" in shown
    assert "00:04:00" in shown
    assert "00:03:00" not in shown


def test_terminal_shows_the_newest_candle_of_each_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    store = open_console(out)
    store.write([candle(2, close="3"), candle(1, close="2"), candle(0, product_id="ETH/USD")])
    store.write([candle(2, close="4", revision=1, complete=False)])
    store.close()
    shown = out.getvalue()[out.getvalue().rindex("newest candles") :]
    assert "2026-09-21 00:02:00" in shown
    assert "2026-09-21 00:01:00" not in shown
    assert "incomplete, revision 1" in shown
    assert "ETH/USD" in shown


def test_closed_output_is_reported_in_one_line() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as out:
        with pytest.raises(StoreRejectedError, match="standard output was closed"):
            open_console(out).write([candle()] * 1_000)
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # what is left can be flushed
