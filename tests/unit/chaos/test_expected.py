"""The candles that chaos runs are judged by, against the product's own rules."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from chaos.expected import expected_candles, plain, rounded
from ohlc_core.domain.interval import Interval
from ohlc_core.domain.product_candles import ProductCandles
from ohlc_core.domain.rules import CandleRules
from ohlc_core.domain.state import MemoryStore
from ohlc_core.domain.trade import ProductKey, Trade
from ohlc_core.messages.codec import encode_candle
from support.candles import T0
from support.trades_topic import Sold

_STEPS = st.lists(
    st.tuples(
        st.integers(0, 4_000_000),
        st.integers(1, 10**7),
        st.integers(1, 10**9),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


@given(_STEPS)
def test_expected_text_equals_the_product_record(steps: list[tuple[int, int, int, bool]]) -> None:
    key = ProductKey("kraken", "BTC/USD")
    rules = CandleRules([Interval.parse("1s")], 1_000_000, 0, fill_empty=True)
    product = ProductCandles(key, rules, MemoryStore(), sequential=True)
    candles = product.on_start(T0).candles
    now, trades, sold = T0, [], []
    for number, (wait, price, quantity, bought) in enumerate(steps, 1):
        now += wait
        exact = Decimal(price) / 100, Decimal(quantity) / 10**8
        trades.append(Trade(str(number), *exact, "buy" if bought else "sell", now))
        sold.append(Sold(number, now, Fraction(price, 100), Fraction(quantity, 10**8), bought))
    candles += product.on_trades(trades).candles
    candles += product.on_watermark(now + 10_000_000).candles
    while (more := product.more()) is not None:
        candles += more.candles
    until = max(each.window_end_ms for each in candles) * 1_000
    expected = expected_candles((*key, "1s"), sold, T0, until, [])
    found = {
        each.window_start_ms * 1_000: encode_candle(each).decode().rpartition('"complete":')[0]
        for each in candles
    }
    assert found == expected.texts


def test_rounding_is_half_even_at_twelve_digits() -> None:
    assert plain(rounded(Fraction("1234567890.125"))) == "1234567890.12"
    assert plain(rounded(Fraction("1234567890.135"))) == "1234567890.14"
    assert plain(rounded(Fraction("0.00012345678901250"))) == "0.000123456789012"


def test_gap_touches_windows_from_the_trade_before_to_the_trade_behind() -> None:
    trades = [
        Sold(n, T0 + at * 1_000_000, Fraction(1), Fraction(1), True)
        for n, at in ((1, 0), (5, 3), (6, 5))
    ]
    expected = expected_candles(("kraken", "BTC/USD", "1s"), trades, T0, T0 + 6_000_000, [(2, 4)])
    assert expected.touched == {T0 + second * 1_000_000 for second in (0, 1, 2, 3)}
