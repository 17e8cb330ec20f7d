"""Which candle stands for a window, and which no store could keep."""

from decimal import Decimal

import msgspec
import pytest

from ohlc_features.rules import (
    newest_revisions,
    newest_windows,
    online_key,
    reason_to_reject,
    replaces,
)
from support.candle_records import MONDAY_MS, candle


def test_higher_revision_replaces_lower_and_never_the_reverse() -> None:
    first, corrected = candle(revision=0), candle(revision=1)
    assert replaces(corrected, first)
    assert not replaces(first, corrected)


def test_of_equal_revisions_the_complete_one_stays() -> None:
    cut, whole = candle(complete=False), candle(complete=True)
    assert replaces(whole, cut)
    assert not replaces(cut, whole)


def test_a_repeated_backfill_replaces_its_own_row() -> None:
    assert replaces(candle(close="2"), candle(close="1"))


def test_newest_window_is_found_whatever_the_order_of_the_batch() -> None:
    old, new = candle(1), candle(2)
    for batch in ([old, new], [new, old]):
        assert newest_windows(newest_revisions(batch).values()) == {online_key(new): new}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exchange": ""}, "exchange is empty"),
        ({"product_id": "BTC\0USD"}, "product_id holds a NUL character"),
        ({"last_trade_id": ""}, "last_trade_id is empty"),
        ({"interval": "1m", "window_end_ms": MONDAY_MS + 1}, "window_end_ms is not"),
        (
            {"window_start_ms": MONDAY_MS + 1, "window_end_ms": MONDAY_MS + 60_001},
            "window_start_ms is not a multiple",
        ),
        ({"window_start_ms": -60_000, "window_end_ms": 0}, "window_start_ms is not a time"),
        ({"close": Decimal("NaN")}, "close is no number in range"),
        ({"volume": Decimal("1e999999")}, "volume is no number in range"),
        ({"trade_count": -1}, "trade_count is negative"),
        ({"revision": 1 << 31}, "revision is negative or out of range"),
    ],
)
def test_candle_no_store_could_keep_is_named(changes: dict[str, object], reason: str) -> None:
    defect = reason_to_reject(msgspec.structs.replace(candle(), **changes))
    assert defect is not None
    assert defect.startswith(reason)


def test_unknown_interval_is_named() -> None:
    wrong = msgspec.structs.replace(candle(), interval="1 minute")
    assert "1 minute" in str(reason_to_reject(wrong))


def test_flat_candle_without_ids_can_be_kept() -> None:
    flat = candle(trade_count=0, volume=Decimal(0), first_trade_id=None, last_trade_id=None)
    assert reason_to_reject(flat) is None
