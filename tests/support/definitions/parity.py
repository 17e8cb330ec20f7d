"""Features for tests that compare live with a backfill: short windows, joint inputs."""

from ohlc_features.define import Candles, FeatureGroup, Value, ta

group = FeatureGroup("parity", intervals=["1s", "1m"])


@group.feature(window=40)
def rsi(c: Candles) -> Value:
    return ta.rsi(c.close, 5)


@group.feature(window=20)
def flow(c: Candles) -> Value:
    return ta.order_flow_imbalance(c.buy_volume, c.volume)


@group.feature(window=11)
def volatility(c: Candles) -> Value:
    return ta.realised_volatility(c.close)


@group.feature(window=1, minute=("1m", 3))
def against_minutes(c: Candles, minute: Candles) -> Value:
    return c.close[-1] / ta.mean(minute.vwap) - 1.0


@group.feature(window=5, btc=("1s", 10, "BTC/USD"))
def against_bitcoin(c: Candles, btc: Candles) -> Value:
    return ta.returns(c.close, 4) - ta.returns(btc.close, 4)
