"""Which candle stands for a window, and which no store could keep."""

from decimal import Decimal

import msgspec
import pytest

from ohlc_features.memory import WrittenRows
from ohlc_features.replacement import (
    newest_windows,
    online_key,
    reason_to_reject,
    replaces,
    settle,
)
from ohlc_features.schema import FeatureRow, feature_row
from support.candle_records import MONDAY_MS, candle


def _row(origin: str = "live", **changes: object) -> FeatureRow:
    return feature_row(candle(**changes), origin)  # type: ignore[arg-type]


#: Ascending: each replaces all before it, whatever its revision.
_ASCENDING = [
    _row(trade_count=3, complete=False, revision=0),
    _row(trade_count=3, complete=True, revision=0),
    _row(trade_count=3, complete=False, revision=1),
    _row(trade_count=3, complete=True, revision=1),
    _row("backfill", trade_count=3, complete=True, revision=0),
    _row("backfill", trade_count=3, complete=True, revision=2),
    _row("backfill", trade_count=4, complete=False, revision=0),
    _row(trade_count=4, complete=True, revision=0),
    _row("backfill", trade_count=4, complete=True, revision=0),
    _row(trade_count=5, complete=False, revision=0),
]


@pytest.mark.parametrize("greater", range(1, len(_ASCENDING)))
@pytest.mark.parametrize("less", range(len(_ASCENDING) - 1))
def test_rule_is_a_total_order_of_trades_backfill_revision_complete(
    less: int, greater: int
) -> None:
    old, new = _ASCENDING[less], _ASCENDING[greater]
    assert replaces(new, old) is (greater > less)
    assert replaces(old, new) is (less > greater)


def test_of_equals_the_later_stays_and_a_repetition_is_no_change() -> None:
    first, second = _row("backfill", close="1"), _row("backfill", close="2")
    assert replaces(second, first)
    assert replaces(first, second)
    assert not replaces(second._replace(stored_at=5), second)


def test_incomplete_row_is_taken_only_where_the_window_is_held_or_it_is_asked_for() -> None:
    incomplete, corrected = _row(complete=False), _row(complete=False, revision=1)
    key = incomplete[:4]
    assert settle({}, [incomplete], lambda _: False) == ({}, 1)
    assert settle({}, [incomplete], lambda _: True) == ({key: incomplete}, 0)
    assert settle({key: _row()}, [corrected], lambda _: False) == ({key: corrected}, 0)
    assert settle({}, [_row(), corrected], lambda _: False) == ({key: corrected}, 0)
    assert settle({}, [corrected, _row()], lambda _: False) == ({key: _row()}, 1)


def test_newest_window_is_the_newest_complete_one_whatever_the_order() -> None:
    old, new, cut = _row(window=1), _row(window=2), _row(window=3, complete=False)
    for batch in ([old, new, cut], [cut, new, old]):
        assert newest_windows(batch) == {online_key(new): new}


def test_written_rows_keep_a_lesser_candle_from_a_store_without_conditions() -> None:
    written = WrittenRows(write_incomplete=False)
    better = _row("backfill", revision=0)
    changes, _ = written.changes([better])
    written.written(changes)
    assert written.changes([_row(revision=1), better]) == ([], 0)
    assert written.changes([_row(window=1, complete=False)]) == ([], 1)
    # Of an unknown window, a correction counts as one of a row that is held.
    unknown = _row(window=2, complete=False, revision=1)
    assert written.changes([unknown]) == ([unknown], 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exchange": ""}, "exchange is empty"),
        ({"product_id": "BTC\0USD"}, "product_id holds a NUL character"),
        ({"product_id": "B" * 201}, "product_id is longer than 200 characters"),
        ({"last_trade_id": ""}, "last_trade_id is empty"),
        ({"interval": "1m", "window_end_ms": MONDAY_MS + 1}, "window_end_ms is not"),
        (
            {"window_start_ms": MONDAY_MS + 1, "window_end_ms": MONDAY_MS + 60_001},
            "window_start_ms is not a multiple",
        ),
        ({"window_start_ms": -60_000, "window_end_ms": 0}, "window_start_ms is not a time"),
        ({"close": Decimal("NaN")}, "close is no number in range"),
        ({"volume": Decimal("1e999999")}, "volume is no number in range"),
        ({"open": Decimal("1e-400")}, "open is too small for a double"),
        ({"low": Decimal("-1e-310")}, "low is too small for a double"),
        ({"buy_volume": Decimal("Infinity")}, "buy_volume is no number in range"),
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
