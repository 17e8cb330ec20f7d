"""The console store: exact JSON lines for programs, a table of newest candles for people."""

import io
import os
from decimal import Decimal

import pytest

from ohlc_core.messages.codec import encode_candle
from ohlc_features.console.store import open_console
from ohlc_features.errors import StoreRejectedError
from support.candle_records import candle


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


def test_closed_output_is_told_in_one_line() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as out:
        with pytest.raises(StoreRejectedError, match="standard output was closed"):
            open_console(out).write([candle()] * 1_000)
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # what is left can be flushed
