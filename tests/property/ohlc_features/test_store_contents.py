"""The store's contents depend on what was written, never on order, batches or repetition."""

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_features.schema import FeatureRow
from ohlc_features.sql.store import LocalStore
from support.feature_db import StoredRows
from support.store_model import Delivery, deliveries, faithful_deliveries, model


def written(url: str, batches: Sequence[Delivery], *, write_incomplete: bool) -> None:
    """Write batches as live and backfill writers do, each of its own process and clock."""
    clock = iter(range(1_790_000_000_000, 1_800_000_000_000, 1_000))
    stores = {
        origin: LocalStore.open(
            url,
            "ohlc",
            1,
            origin=origin,  # type: ignore[arg-type]
            write_incomplete=write_incomplete,
            now_ms=lambda: next(clock),
        )
        for origin in {batch.origin for batch in batches}
    }
    for batch in batches:
        stores[batch.origin].write(batch.candles)
    for store in stores.values():
        store.close()


def _sqlite(batches: Sequence[Delivery], *, write_incomplete: bool) -> StoredRows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.db"
        written(f"sqlite:///{path}", batches, write_incomplete=write_incomplete)
        with closing(sqlite3.connect(path)) as connection:
            tables = [
                [
                    row._replace(complete=bool(row.complete), stored_at=0)
                    for row in map(
                        FeatureRow._make,
                        connection.execute(f"select * from {table} order by 1, 2, 3, 4"),
                    )
                ]
                for table in ("ohlc_1", "ohlc_1_latest")
            ]
            return StoredRows(*tables)


@settings(max_examples=60, deadline=None)
@given(deliveries(), st.booleans())
def test_store_holds_what_the_rule_spelt_out_candle_by_candle_gives(
    batches: list[Delivery], write_incomplete: bool
) -> None:
    stored = _sqlite(batches, write_incomplete=write_incomplete)
    assert stored == model(batches, write_incomplete=write_incomplete)


@settings(max_examples=40, deadline=None)
@given(deliveries(), st.randoms(use_true_random=False))
def test_any_order_any_batches_any_repetition_give_the_same_rows(
    batches: list[Delivery], random: object
) -> None:
    shuffled = [Delivery(each.origin, [one]) for each in batches for one in each.candles * 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    stored = _sqlite(batches, write_incomplete=True)
    assert stored == _sqlite(shuffled, write_incomplete=True)


@settings(max_examples=60, deadline=None)
@given(faithful_deliveries().filter(lambda both: bool(both[0])))
def test_live_and_backfill_end_in_the_same_complete_rows_however_they_interleave(
    both: tuple[list[Delivery], list[Delivery]],
) -> None:
    one, other = (_sqlite(batches, write_incomplete=False) for batches in both)
    assert one.latest == other.latest
    complete = [[row for row in each.history if row.complete] for each in (one, other)]
    assert complete[0] == complete[1]
