"""What the console shows."""

from collections.abc import Sequence

import msgspec

from ohlc_core.domain.candle import Candle
from ohlc_features.base import GroupRow
from ohlc_features.define.group import FeatureGroup


def shown_candles(candles: Sequence[Candle], *, write_incomplete: bool) -> list[Candle]:
    """Return what is shown: complete candles and corrections, others where they are asked for.

    A store that keeps nothing does not know which windows it holds.
    """
    return [each for each in candles if each.complete or each.revision or write_incomplete]


def row_json(group: FeatureGroup, row: GroupRow) -> str:
    """Return a feature row as one JSON object; its times are named as the candles'."""
    shown = {
        "type": "feature_row",
        "group": group.name,
        "version": group.version,
        "exchange": row.exchange,
        "product_id": row.product_id,
        "interval": row.candle_interval,
        "window_start_ms": row.window_start,
        "window_end_ms": row.window_end,
        "features": dict(zip(group.features, row.values, strict=True)),
        "complete": row.complete,
    }
    return msgspec.json.encode(shown).decode()
