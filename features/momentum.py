"""Ten features of momentum, volatility and order flow: the file that `make demo` runs with.

Copy it, change it, and prove it with ``features check FILE``; docs/adding-a-feature.md explains.
"""

from ohlc_features.define import Candles, FeatureGroup, Value, ta

group = FeatureGroup("momentum", version=1, intervals=["10s", "1m", "5m"])


@group.feature(window=2, unit="ratio", about="change of the close over one candle")
def return_1(c: Candles) -> Value:
    return ta.returns(c.close)


@group.feature(window=21, unit="ratio", about="change of the close over 20 candles")
def return_20(c: Candles) -> Value:
    return ta.returns(c.close, 20)


@group.feature(window=250, unit="0..100", about="Wilder's RSI of 14 closes")
def rsi_14(c: Candles) -> Value:
    return ta.rsi(c.close, 14)


@group.feature(window=240, unit="ratio", about="MACD (12, 26) of the closes, over the close")
def macd_12_26(c: Candles) -> Value:
    return ta.macd(c.close, 12, 26) / c.close[-1]


@group.feature(window=20, unit="deviations", about="distance of the close from its mean of 20")
def z_score_20(c: Candles) -> Value:
    return ta.z_score(c.close)


@group.feature(window=31, unit="ratio", about="realised volatility of 30 log returns")
def volatility_30(c: Candles) -> Value:
    return ta.realised_volatility(c.close)


@group.feature(window=20, unit="ratio", about="close over the volume-weighted price of 20, less 1")
def vwap_gap_20(c: Candles) -> Value:
    return c.close[-1] / ta.vwap(c.vwap, c.volume) - 1.0


@group.feature(window=20, unit="-1..1", about="taker buys less sells, over volume")
def flow_20(c: Candles) -> Value:
    return ta.order_flow_imbalance(c.buy_volume, c.volume)


@group.feature(
    window=1, hour=("1h", 2), unit="ratio", about="close over the last full hour's open, less 1"
)
def hour_trend(c: Candles, hour: Candles) -> Value:
    return c.close[-1] / hour.open[-1] - 1.0


@group.feature(window=1, unit="-1..1", about="sine of the time of day, UTC")
def day_sine(c: Candles) -> Value:
    return ta.time_of_day(c.window_end)[0]
