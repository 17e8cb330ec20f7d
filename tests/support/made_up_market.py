"""A made-up market at thirty-fold speed for containers, and the exchange's own candles of it."""

from datetime import UTC, datetime, timedelta
from functools import cache

from ohlc_features.schema import FeatureRow
from support.compose import ComposeStack, Simulator, wait_until_equal
from support.wait import wait_until

PAIRS = {"BTC/USD": "XBTUSD", "ETH/USD": "ETHUSD", "SOL/USD": "SOLUSD", "XRP/USD": "XRPUSD"}
MINUTE_MS = 60_000
#: A window is asked for once this much market time has passed after its end: at the market's
#: thirty-fold speed, four real seconds.
SETTLED_MS = 2 * MINUTE_MS

Candles = dict[tuple[str, int], tuple[float, float, float, float, float, int]]


@cache
def yesterday() -> datetime:
    """Return the midnight the market starts at; the same until the tests end."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def exchange_candles(simulator: Simulator, until_ms: int) -> Candles:
    """Return the exchange's own candles of every traded minute from START_FROM to ``until_ms``."""
    from_s = yesterday().timestamp()
    return {
        (product, start * 1_000): (*(float(text) for text in (*prices, volume)), count)
        for product, pair in PAIRS.items()
        for start, *prices, _vwap, volume, count in simulator.ohlc(pair)
        if count and start >= from_s and start * 1_000 + MINUTE_MS <= until_ms
    }


def stored_candles(rows: list[FeatureRow], until_ms: int) -> Candles:
    """Return the store's one-minute candles up to ``until_ms``."""
    return {
        (row.product_id, row.window_start): (
            *(row.open, row.high, row.low, row.close),
            row.volume,
            row.trade_count,
        )
        for row in rows
        if row.candle_interval == "1m" and row.window_end <= until_ms
    }


def market() -> dict[str, str]:
    """Return the settings of the market and of the pipeline that reads all of it."""
    start = yesterday()
    return {
        "PRODUCT_IDS": ",".join(PAIRS),
        "OHLC_INTERVALS": "1m",
        "EMPTY_CANDLES": "skip",
        "SIMULATOR_START": start.isoformat(),
        "SIMULATOR_HISTORY": "30m",
        "SIMULATOR_SPEED": "30",
        "SIMULATOR_RATE": "1",
        "START_FROM": start.isoformat(),
        "CONNECT_BACKOFF_SECONDS": "0.5",
        "REST_INTERVAL_SECONDS": "0.1",
        "FROM_DAY": f"{start:%Y-%m-%d}",
    }


def wait_for_all_candles_until_now(stack: ComposeStack, simulator: Simulator) -> Candles:
    """Wait until the store equals the exchange's candles of all that is past now; return them."""
    until_ms = simulator.clock_ms()
    wait_until(lambda: simulator.clock_ms() > until_ms + SETTLED_MS, 30, "market time passed")
    expected = exchange_candles(simulator, until_ms)
    wait_until_equal(
        lambda: stored_candles(stack.rows(), until_ms),
        expected,
        180,
        f"{len(expected)} of the exchange's candles",
    )
    return expected
