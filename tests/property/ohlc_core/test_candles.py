"""Whatever happens on the way, the same trades give the same candles."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ohlc_core.domain.candle import Candle
from ohlc_core.domain.decimals import canonical, vwap
from ohlc_core.domain.trade import ProductKey, Side, Trade
from ohlc_core.messages.codec import decode_trades_topic, encode_candle, encode_trades
from ohlc_core.messages.records import TradesMessage
from support.candles import (
    HOUR,
    KEY,
    MINUTE,
    SECOND,
    T0,
    Driver,
    as_batch_row,
    batch_candles,
    newest,
    rules,
)

INTERVALS = ("1m", "5m", "7m", "1h")
END = T0 + 3 * HOUR

prices = st.decimals(Decimal("0.0001"), Decimal(200_000), places=4)
quantities = st.decimals(0, 1_000, places=8)
sides: st.SearchStrategy[Side] = st.sampled_from(("buy", "sell", "buy", "sell", "unknown"))
pauses = st.sampled_from((0, 0, 0, 1, 999, 70_000, SECOND, 9 * SECOND, MINUTE, 4 * MINUTE))


@st.composite
def trade_lists(draw: st.DrawFn, max_size: int = 60) -> list[Trade]:
    """Trades in the exchange's order: ids ascend, mostly by one; times do not go back."""
    us = T0 + draw(st.integers(0, 2 * MINUTE))
    number = draw(st.integers(0, 10**9))
    trades = []
    for _ in range(draw(st.integers(1, max_size))):
        us += draw(pauses)
        number += draw(st.sampled_from((1, 1, 1, 1, 3)))
        trades.append(Trade(str(number), draw(prices), draw(quantities), draw(sides), us))
    return trades


def batches(draw: st.DrawFn, trades: Sequence[Trade]) -> list[Sequence[Trade]]:
    cuts = sorted(draw(st.sets(st.integers(1, len(trades)), max_size=12)) | {0, len(trades)})
    return [trades[a:b] for a, b in pairwise(cuts)]


def candles_of(trades: Sequence[Trade], driver: Driver | None = None) -> list[Candle]:
    driver = driver or Driver(rules(*INTERVALS))
    for each in trades:
        driver.trades(each)
    driver.watermark(END)
    return driver.output.candles


def as_bytes(candles: Sequence[Candle]) -> list[bytes]:
    return [encode_candle(candle) for candle in candles]


@given(st.data())
def test_any_batching_gives_the_same_bytes(data: st.DataObject) -> None:
    trades = data.draw(trade_lists())
    driver = Driver(rules(*INTERVALS))
    for batch in batches(data.draw, trades):
        driver.trades(*batch)
    driver.watermark(END)
    assert as_bytes(driver.output.candles) == as_bytes(candles_of(trades))


@given(st.data())
def test_any_batching_of_disordered_and_late_trades_gives_the_same_bytes(
    data: st.DataObject,
) -> None:
    trades = data.draw(st.permutations(data.draw(trade_lists(max_size=25))))
    driver = Driver(rules(*INTERVALS, retention="5m"))
    for batch in batches(data.draw, trades):
        driver.trades(*batch)
    driver.watermark(END)
    single = Driver(rules(*INTERVALS, retention="5m"))
    assert as_bytes(driver.output.candles) == as_bytes(candles_of(trades, single))
    assert driver.output.rejected == single.output.rejected


@given(st.data())
def test_any_cut_and_restore_of_the_state_gives_the_same_bytes(data: st.DataObject) -> None:
    trades = data.draw(st.permutations(data.draw(trade_lists(max_size=25))))
    fill = data.draw(st.booleans())
    whole = Driver(rules(*INTERVALS, retention="5m", fill=fill))
    cut = Driver(rules(*INTERVALS, retention="5m", fill=fill))
    for driver in (whole, cut):
        driver.start(T0)
    for position, batch in enumerate(batches(data.draw, trades)):
        gap = data.draw(st.booleans()) and position % 3 == 1
        for driver in (whole, cut):
            if gap:
                driver.gap(5, 10)
            driver.trades(*batch)
        if data.draw(st.booleans()):
            cut.restart()
    for driver in (whole, cut):
        driver.watermark(END, final=True)
    assert as_bytes(cut.output.candles) == as_bytes(whole.output.candles)
    assert cut.output == whole.output


@given(st.data())
def test_reordering_within_grace_gives_the_same_bytes(data: st.DataObject) -> None:
    trades = data.draw(trade_lists())
    delays = data.draw(st.lists(st.integers(0, SECOND), min_size=len(trades), max_size=len(trades)))
    arrival = sorted(
        zip(trades, delays, strict=True), key=lambda item: item[0].timestamp_us + item[1]
    )
    reordered = newest(candles_of([item[0] for item in arrival]))
    straight = newest(candles_of(trades))
    assert {k: encode_candle(v) for k, v in reordered.items()} == {
        k: encode_candle(v) for k, v in straight.items()
    }
    assert all(candle.revision == 0 for candle in reordered.values())


@given(st.data())
def test_repeated_trades_are_counted_once(data: st.DataObject) -> None:
    trades = data.draw(trade_lists())
    driver = Driver(rules(*INTERVALS))
    arrived: list[Trade] = []
    for batch in batches(data.draw, trades):
        again = data.draw(st.lists(st.sampled_from(arrived), max_size=4)) if arrived else []
        driver.trades(*again, *batch)
        arrived += batch
    driver.watermark(END)
    assert as_bytes(driver.output.candles) == as_bytes(candles_of(trades))


@given(st.data())
def test_products_do_not_touch_each_other(data: st.DataObject) -> None:
    by_product = {
        ProductKey("kraken", name): data.draw(trade_lists(max_size=20)) for name in ("A", "B")
    }
    drivers = {key: Driver(rules(*INTERVALS), key) for key in by_product}
    left = {key: list(trades) for key, trades in by_product.items()}
    while any(left.values()):
        key = data.draw(st.sampled_from([key for key, trades in left.items() if trades]))
        drivers[key].trades(left[key].pop(0))
    for key, driver in drivers.items():
        driver.watermark(END)
        alone = candles_of(by_product[key], Driver(rules(*INTERVALS), key))
        assert as_bytes(driver.output.candles) == as_bytes(alone)


@settings(max_examples=60)
@given(trade_lists())
def test_candles_equal_an_independent_batch_computation(trades: list[Trade]) -> None:
    candles = newest(candles_of(trades))
    for interval in INTERVALS:
        batch = batch_candles(trades, interval)
        mine = {start: candle for (text, start), candle in candles.items() if text == interval}
        assert mine.keys() == batch.keys()
        for start, row in batch.items():
            price_quantity = row[5]
            assert isinstance(price_quantity, Decimal)
            candle = mine[start]
            assert as_batch_row(candle) == row[:5] + row[6:]
            volume = candle.volume
            expected = vwap(price_quantity, volume) if volume else candle.close
            assert candle.vwap == expected


@settings(max_examples=60)
@given(st.data())
def test_the_newest_revisions_equal_the_batch_however_late_trades_come(
    data: st.DataObject,
) -> None:
    trades = data.draw(trade_lists(max_size=25))
    shuffled = data.draw(st.permutations(trades))
    driver = Driver(rules(*INTERVALS, retention="1d"))
    candles = newest(candles_of(shuffled, driver))
    straight = newest(candles_of(trades))
    assert not driver.output.rejected

    def said(candle: Candle) -> bytes:
        return encode_candle(candle).rsplit(b',"revision"', 1)[0]

    assert {k: said(v) for k, v in candles.items()} == {k: said(v) for k, v in straight.items()}


@settings(max_examples=60)
@given(st.data())
def test_filled_candles_are_flat_at_the_previous_close_however_late_trades_come(
    data: st.DataObject,
) -> None:
    trades = data.draw(trade_lists(max_size=15))
    shuffled = data.draw(st.permutations(trades))
    driver = Driver(rules("1m", "7m", retention="1d", fill=True))
    candles = newest(candles_of(shuffled, driver))
    for interval, us in (("1m", MINUTE), ("7m", 7 * MINUTE)):
        traded = batch_candles(trades, interval)
        first = min(traded) * 1_000
        expected_starts = range(first, END - SECOND - us + 1, us)
        assert [start * 1_000 for text, start in sorted(candles) if text == interval] == list(
            expected_starts
        )
        close = None
        for start in expected_starts:
            candle = candles[interval, start // 1_000]
            if start // 1_000 in traded:
                assert candle.trade_count == traded[start // 1_000][6]
            else:
                assert {candle.open, candle.high, candle.low, candle.close} == {close}
                assert (candle.volume, candle.trade_count, candle.vwap) == (0, 0, close)
                assert (candle.first_trade_id, candle.last_trade_id) == (None, None)
            close = candle.close


@given(trade_lists(max_size=10))
def test_trades_survive_the_wire_exactly(trades: list[Trade]) -> None:
    wire = encode_trades(*KEY, "rest", trades)
    message = decode_trades_topic(wire)
    assert isinstance(message, TradesMessage)
    assert message.trades == trades
    assert encode_trades(*KEY, "rest", message.trades) == wire


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25))
def test_canonical_text_is_plain_and_exact(value: Decimal) -> None:
    text = canonical(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert not ("." in text and text[-1] in "0.")
    assert canonical(Decimal(text)) == text
