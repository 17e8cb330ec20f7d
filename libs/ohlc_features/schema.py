"""The columns of a feature row, and the one place where exact numbers become doubles."""

from typing import NamedTuple

from ohlc_core.domain.candle import Candle


class FeatureRow(NamedTuple):
    """One candle as every feature store keeps it; fields in the stores' column order.

    Times are ms since the Unix epoch, UTC. The row's event time is ``window_end``: that is when
    the candle is known. ``candle_interval`` is the message's ``interval``, a reserved word in SQL.
    """

    exchange: str
    product_id: str
    candle_interval: str
    window_start: int
    window_end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    buy_volume: float | None
    trade_count: int
    first_trade_id: str | None
    last_trade_id: str | None
    complete: bool
    revision: int


COLUMNS = FeatureRow._fields
ONLINE_KEY = ("exchange", "product_id", "candle_interval")
HISTORY_KEY = (*ONLINE_KEY, "window_start")
EVENT_TIME = "window_end"


Value = str | int | float | None


def feature_values(candle: Candle) -> tuple[Value, ...]:
    """Return the values of ``candle``'s row; each number becomes the double nearest to it.

    A plain tuple, which drivers bind faster than a named one.
    """
    return (
        candle.exchange,
        candle.product_id,
        candle.interval,
        candle.window_start_ms,
        candle.window_end_ms,
        float(candle.open),
        float(candle.high),
        float(candle.low),
        float(candle.close),
        float(candle.volume),
        float(candle.vwap),
        None if candle.buy_volume is None else float(candle.buy_volume),
        candle.trade_count,
        candle.first_trade_id,
        candle.last_trade_id,
        candle.complete,
        candle.revision,
    )


def feature_row(candle: Candle) -> FeatureRow:
    """Return ``candle`` as a row."""
    return FeatureRow._make(feature_values(candle))
