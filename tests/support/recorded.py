"""Kraken's recorded trades as a simulated market for containers, and its own candles of them."""

import json

from ohlc_features.schema import FeatureRow
from support.market_data import MARKET_DATA

RECORDING = "kraken/rest_official/dev_cut"
_PAIR = "XBTUSDT"

RECORDED_MARKET = {
    "HISTORY_DIR": str(MARKET_DATA / RECORDING),
    "SIMULATOR_TRADES_FILE": "/app/history/Trades_before_21Z.json",
    "SIMULATOR_HOLD": "all",
    "SIMULATOR_SPEED": "1",
    "PRODUCT_IDS": "BTC/USDT",
}

#: Open, high, low, close, volume and count by the window's start in ms.
Official = dict[int, tuple[float, float, float, float, float, int]]


def official_candles() -> Official:
    """Return Kraken's candles of the complete traded minutes of the recording."""
    trades = json.loads((MARKET_DATA / RECORDING / "Trades_before_21Z.json").read_text())
    first_trade_s = trades["result"][_PAIR][0][2]
    candles = json.loads((MARKET_DATA / RECORDING / "OHLC_1m_before_21Z.json").read_text())
    return {
        start * 1_000: (*(float(text) for text in (*prices, volume)), count)
        for start, *prices, _vwap, volume, count in candles["result"][_PAIR]
        if count and start >= first_trade_s
    }


def as_official(rows: list[FeatureRow], wanted: Official) -> Official:
    """Return the complete candles among the rows that ``wanted`` has, in its form."""
    return {
        row.window_start: (row.open, row.high, row.low, row.close, row.volume, row.trade_count)
        for row in rows
        if row.window_start in wanted and row.complete
    }
