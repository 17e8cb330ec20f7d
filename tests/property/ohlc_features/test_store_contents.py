"""The store's contents depend on what was written, never on order, batches or repetition."""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_core.domain.candle import Candle
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle
from support.feature_db import StoredRows, expected_rows, stored_rows


@st.composite
def _revisions(draw: st.DrawFn) -> Candle:
    """Equal windows and revisions are equal candles, as the aggregator promises."""
    product = draw(st.sampled_from(["BTC/USD", "ETH/USD"]))
    window, revision = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    close = str(1 + window * 10 + revision)
    return candle(window, product_id=product, revision=revision, close=close)


@st.composite
def _deliveries(draw: st.DrawFn) -> list[list[Candle]]:
    """Batches in any order, with candles delivered again in later ones."""
    candles = draw(st.lists(_revisions(), min_size=1, max_size=25))
    again = draw(st.lists(st.sampled_from(candles), max_size=15))
    order = draw(st.permutations(candles + again))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=6)))
    bounds = [0, *cuts, len(order)]
    return [order[a:b] for a, b in itertools.pairwise(bounds)]


def _written(batches: Sequence[Sequence[Candle]]) -> StoredRows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.db"
        store = LocalStore.open(f"sqlite:///{path}", "ohlc", 1)
        for batch in batches:
            store.write(batch)
        store.close()
        return stored_rows(path)


@settings(max_examples=40, deadline=None)
@given(_deliveries())
def test_any_order_any_batches_any_repetition_give_the_newest_revisions(
    batches: list[list[Candle]],
) -> None:
    assert _written(batches) == expected_rows([each for batch in batches for each in batch])


@settings(max_examples=20, deadline=None)
@given(st.lists(_revisions(), min_size=1, max_size=20))
def test_newest_row_is_the_last_row_of_the_history(candles: list[Candle]) -> None:
    rows = _written([[each] for each in candles])
    for newest in rows.latest:
        of_product = [row for row in rows.history if row.product_id == newest.product_id]
        assert newest == of_product[-1]
